// cuRAND: candle opens it with a device; heatproof draws on the host.
#define API extern "C" __attribute__((visibility("default"))) int

API curandCreateGenerator(void **generator, int) { return *generator = &generator, 0; }
API curandSetPseudoRandomGeneratorSeed(void *, unsigned long long) { return 0; }
API curandSetStream(void *, void *) { return 0; }
API curandDestroyGenerator(void *) { return 0; }
