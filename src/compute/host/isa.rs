//! Which vector instructions the kernels use: chosen once per process, by what the processor
//! has and what the user allows.

use std::sync::OnceLock;

/// A set of vector instructions the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every processor has; no fused multiply-add.
    Portable,
    /// AVX2 and fused multiply-add: vectors of 8.
    Avx2,
    /// AVX-512: vectors of 16.
    Avx512,
}

impl Isa {
    /// All, from the least.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// Its name, as in the variable `HEATPROOF_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor has it.
    #[cfg(target_arch = "x86_64")]
    pub fn available(self) -> bool {
        let avx2 = || std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
        match self {
            Self::Portable => true,
            Self::Avx2 => avx2(),
            Self::Avx512 => {
                avx2()
                    && std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512bw")
            }
        }
    }

    /// Whether this processor has it.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn available(self) -> bool {
        self == Self::Portable
    }

    /// The largest set this processor has, or the smaller one named by `HEATPROOF_ISA`.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Isa> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let most = std::env::var("HEATPROOF_ISA")
                .ok()
                .and_then(|name| Self::ALL.into_iter().find(|isa| isa.name() == name))
                .unwrap_or(Self::Avx512);
            let usable = |isa: &Self| *isa <= most && isa.available();
            Self::ALL.into_iter().rev().find(usable).unwrap_or(Self::Portable)
        })
    }
}
