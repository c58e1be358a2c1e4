//! The program with CUDA in it: the same commands as `heatproof`, which hands over to it.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    heatproof::cli::main()
}
