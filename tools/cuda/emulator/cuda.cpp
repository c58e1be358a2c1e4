// The CUDA driver, as far as heatproof and candle use it, on the CPU. Everything is done when it is
// asked for. Memory lies between guards and begins as NaN, so that a kernel which writes beside its
// arrays is told off and one which reads what nobody wrote shows.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <ucontext.h>
#include <vector>

thread_local Dimensions threadIdx, blockIdx, blockDim, gridDim;

#ifdef RACES
extern "C" {
void *__tsan_create_fiber(unsigned flags);
void *__tsan_get_current_fiber();
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *at);
void __tsan_release(void *at);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
}
constexpr unsigned NO_SYNC = 1;
#endif

namespace {

[[noreturn]] void fault(const char *what, const char *name = "") {
    std::fprintf(stderr, "emulated CUDA: %s %s\n", what, name);
    std::abort();
}

// --- Threads of a block -------------------------------------------------------------------------

struct Fiber {
    std::unique_ptr<char[]> stack{new char[SIZE]};
    ucontext_t start;
    void *at[5];
    bool begun = false, waits = false;
    Dimensions thread;
    static constexpr size_t SIZE = 128 << 10;
};

struct Block {
    const Kernel *kernel = nullptr;
    void **parameters = nullptr;
    unsigned next = 0, threads = 0;
    bool backwards = false;
    Fiber *now = nullptr;
    void *scheduler[5];
    std::vector<std::unique_ptr<Fiber>> all;
    std::vector<Fiber *> idle, waiting;
};

thread_local Block block;

// What ThreadSanitizer is told, where kernels are compiled for it (`tools/cuda/races`): each thread of
// a block is a thread to it, which knows of others what they did before the launch and before the
// barriers where they met, whatever order they run in here. A block and the next two that are watched
// know nothing of each other; later ones have the first one's threads again.
struct Witness {
    struct Seen {
        void *thread;
        char *barrier;
    };
#ifdef RACES
    // No more threads than three blocks': each is one more that all others are compared with.
    static constexpr unsigned BARRIERS = 2 * 1024;
    std::vector<void *> threads;
    void *host = nullptr;
    unsigned size = 0, first = 0, block = 0, meeting = 0;
    bool watches = false;
    std::mutex one; // launch at a time
    char launch, end, barriers[BARRIERS];

    void launches() {
        one.lock();
        __tsan_release(&launch);
    }
    // Of many blocks some are watched, two neighbours each; a thread of its own has shared memory of its
    // own.
    void block_by(unsigned count, uint64_t number, uint64_t blocks, const std::function<void()> &work) {
        watches = blocks <= 32 || number % (blocks / 12) < 2;
        if (!watches) {
            AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
            AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
            work();
            AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
            AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
            return;
        }
        size = 3 * count;
        first = (first + count) % size;
        if (threads.size() < size) threads.resize(size);
        block = (block + 2) % BARRIERS;
        std::thread([&] {
            host = __tsan_get_current_fiber();
            __tsan_release(&launch); // its shared memory is laid out
            work();
        }).join();
    }
    void begins(unsigned thread) {
        if (!watches) return;
        void *&at = threads[(first + thread) % size];
        if (!at) at = __tsan_create_fiber(0);
        __tsan_switch_to_fiber(at, NO_SYNC);
        __tsan_acquire(&launch);
    }
    // Two barriers in turn: who leaves one late must not learn what others did since.
    Seen waits() {
        if (!watches) return {};
        Seen seen{__tsan_get_current_fiber(), &barriers[block + meeting % 2]};
        __tsan_release(seen.barrier);
        __tsan_switch_to_fiber(host, NO_SYNC);
        return seen;
    }
    void all_met() { ++meeting; }
    void goes_on(Seen seen) {
        if (!watches) return;
        __tsan_switch_to_fiber(seen.thread, NO_SYNC);
        __tsan_acquire(seen.barrier);
    }
    void ends() {
        if (!watches) return;
        __tsan_release(&end);
        __tsan_switch_to_fiber(host, NO_SYNC);
    }
    void lands() {
        __tsan_acquire(&end);
        one.unlock();
    }
#else
    void launches() {}
    template <class Work> void block_by(unsigned, uint64_t, uint64_t, const Work &work) { work(); }
    void begins(unsigned) {}
    Seen waits() { return {}; }
    void all_met() {}
    void goes_on(Seen) {}
    void ends() {}
    void lands() {}
#endif
};

Witness witness;

// Of the compiler, not of the library, whose jumps ThreadSanitizer takes for those of one stack.
void leave() {
    if (__builtin_setjmp(block.now->at) == 0) __builtin_longjmp(block.scheduler, 1);
}

// A fiber runs thread after thread until one has to wait.
void body() {
    for (;;) {
        while (block.next < block.threads) {
            unsigned at = block.next++;
            if (block.backwards) at = block.threads - 1 - at;
            threadIdx = {at % blockDim.x, at / blockDim.x % blockDim.y,
                         at / (blockDim.x * blockDim.y)};
            witness.begins(at);
            block.kernel->call(block.parameters);
            witness.ends();
        }
        block.now->waits = false;
        leave();
    }
}

void resume(Fiber *fiber) {
    block.now = fiber;
    if (__builtin_setjmp(block.scheduler) == 0) {
        if (fiber->begun) __builtin_longjmp(fiber->at, 1);
        fiber->begun = true;
        getcontext(&fiber->start);
        fiber->start.uc_stack.ss_sp = fiber->stack.get();
        fiber->start.uc_stack.ss_size = Fiber::SIZE;
        makecontext(&fiber->start, body, 0);
        setcontext(&fiber->start);
    }
    (fiber->waits ? block.waiting : block.idle).push_back(fiber);
}

void run_block() {
    block.next = 0;
    while (block.next < block.threads) {
        if (block.idle.empty()) {
            block.all.emplace_back(new Fiber);
            block.idle.push_back(block.all.back().get());
        }
        Fiber *fiber = block.idle.back();
        block.idle.pop_back();
        resume(fiber);
    }
    while (!block.waiting.empty()) {
        std::vector<Fiber *> met;
        met.swap(block.waiting);
        witness.all_met();
        for (Fiber *fiber : met) resume(fiber);
    }
}

// --- Memory -------------------------------------------------------------------------------------

constexpr size_t GUARD = 256;
constexpr unsigned char MARK = 0xff; // Four or eight of them are a NaN.

std::mutex memory;
std::map<uintptr_t, size_t> held;
size_t used = 0, most_used = 0;
std::atomic<size_t> copies_to_host{0};

size_t capacity() {
    const char *text = std::getenv("EMULATED_CUDA_BYTES");
    return text ? std::strtoull(text, nullptr, 10) : size_t(8) << 30;
}

int allocate(uint64_t *to, size_t bytes) {
    std::lock_guard<std::mutex> lock(memory);
    if (bytes == 0) return 1; // CUDA_ERROR_INVALID_VALUE
    if (used + bytes > capacity()) return 2; // CUDA_ERROR_OUT_OF_MEMORY
    auto *room = static_cast<unsigned char *>(std::aligned_alloc(256, (bytes + 2 * GUARD + 255) / 256 * 256));
    std::memset(room, MARK, bytes + 2 * GUARD);
    used += bytes;
    most_used = std::max(most_used, used);
    held[reinterpret_cast<uintptr_t>(room + GUARD)] = bytes;
    *to = reinterpret_cast<uint64_t>(room + GUARD);
    return 0;
}

int release(uint64_t at) {
    std::lock_guard<std::mutex> lock(memory);
    auto found = held.find(at);
    if (found == held.end()) fault("memory released that was not held");
    auto *start = reinterpret_cast<unsigned char *>(at);
    for (size_t i = 0; i < GUARD; ++i)
        if (start[-1 - ptrdiff_t(i)] != MARK || start[found->second + i] != MARK)
            fault("a kernel wrote beside its array");
    used -= found->second;
    held.erase(found);
    std::free(start - GUARD);
    return 0;
}

// Device memory must be what the driver gave.
void within(uint64_t at, size_t bytes) {
    std::lock_guard<std::mutex> lock(memory);
    auto after = held.upper_bound(at);
    if (after == held.begin()) fault("not device memory");
    auto of = std::prev(after);
    if (at + bytes > of->first + of->second) fault("a copy beyond its array");
}

using Clock = std::chrono::steady_clock;

} // namespace

void __syncthreads() {
    Dimensions mine = threadIdx;
    block.now->waits = true;
    Witness::Seen seen = witness.waits();
    leave();
    witness.goes_on(seen);
    threadIdx = mine;
}

#define API extern "C" __attribute__((visibility("default"))) int

API cuInit(unsigned) { return 0; }
API cuDriverGetVersion(int *v) { return *v = 13000, 0; }
API cuDeviceGet(int *device, int ordinal) { return ordinal == 0 ? *device = 0, 0 : 101; }
API cuDeviceGetCount(int *count) { return *count = 1, 0; }
API cuDeviceGetName(char *name, int len, int) { return std::snprintf(name, len, "emulated on the CPU"), 0; }
API cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = capacity(), 0; }
API cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
    case 1: *value = 1024; break;             // threads of a block
    case 10: *value = 32; break;              // threads of a warp
    case 13: *value = 390; break;             // kHz: about as fast as the emulator is
    case 16: *value = 1; break;               // multiprocessors
    case 36: *value = 1000000; break;         // kHz of the memory
    case 37: *value = 64; break;              // bits of its bus
    case 75: *value = 9; break;               // compute capability
    case 76: *value = 0; break;
    case 115: *value = 1; break;              // memory pools
    default: *value = 0;
    }
    return 0;
}
API cuDevicePrimaryCtxRetain(void **context, int) { return *context = &memory, 0; }
API cuDevicePrimaryCtxRelease_v2(int) { return 0; }
static thread_local void *current = nullptr;
API cuCtxSetCurrent(void *context) { return current = context, 0; }
API cuCtxGetCurrent(void **context) { return *context = current, 0; }
API cuCtxSynchronize() { return 0; }
API cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = &memory, 0; }
API cuMemPoolSetAttribute(void *, int attribute, void *) {
    std::lock_guard<std::mutex> lock(memory);
    if (attribute == 8) most_used = used; // USED_MEM_HIGH
    return 0;
}
API cuMemPoolGetAttribute(void *, int attribute, void *value) {
    std::lock_guard<std::mutex> lock(memory);
    if (attribute != 7 && attribute != 8) return 1;
    return *static_cast<uint64_t *>(value) = attribute == 7 ? used : most_used, 0; // 7: USED_MEM_CURRENT
}
API cuMemPoolTrimTo(void *, size_t) { return 0; }

API cuMemAllocAsync(uint64_t *to, size_t bytes, void *) { return allocate(to, bytes); }
API cuMemAlloc_v2(uint64_t *to, size_t bytes) { return allocate(to, bytes); }
API cuMemFreeAsync(uint64_t at, void *) { return release(at); }
API cuMemFree_v2(uint64_t at) { return release(at); }
API cuMemHostAlloc(void **to, size_t bytes, unsigned) { return *to = std::malloc(bytes), *to ? 0 : 2; }
API cuMemFreeHost(void *at) { return std::free(at), 0; }
API cuMemGetInfo_v2(size_t *free, size_t *total) {
    std::lock_guard<std::mutex> lock(memory);
    *total = capacity();
    *free = *total - used;
    return 0;
}
API cuMemsetD8Async(uint64_t at, unsigned char value, size_t bytes, void *) {
    within(at, bytes);
    std::memset(reinterpret_cast<void *>(at), value, bytes);
    return 0;
}
API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
    within(to, bytes);
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return 0;
}
API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *) {
    within(from, bytes);
    copies_to_host += bytes;
    std::memcpy(to, reinterpret_cast<void *>(from), bytes);
    return 0;
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *) {
    within(from, bytes);
    within(to, bytes);
    std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes);
    return 0;
}
API cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
}
API cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
}
// Of this library alone: bytes copied to the host so far.
extern "C" size_t emulated_bytes_to_host() { return copies_to_host; }

API cuStreamCreate(void **stream, unsigned) { return *stream = &block, 0; }
API cuStreamDestroy_v2(void *) { return 0; }
API cuStreamSynchronize(void *) { return 0; }
API cuStreamWaitEvent(void *, void *, unsigned) { return 0; }
API cuStreamIsCapturing(void *, int *status) { return *status = 0, 0; }
API cuEventCreate(void **event, unsigned) { return *event = new Clock::time_point, 0; }
API cuEventRecord(void *event, void *) {
    return *static_cast<Clock::time_point *>(event) = Clock::now(), 0;
}
API cuEventDestroy_v2(void *event) { return delete static_cast<Clock::time_point *>(event), 0; }
API cuEventSynchronize(void *) { return 0; }
API cuEventQuery(void *) { return 0; }
API cuEventElapsedTime_v2(float *ms, void *from, void *to) {
    auto span = *static_cast<Clock::time_point *>(to) - *static_cast<Clock::time_point *>(from);
    return *ms = std::chrono::duration<float, std::milli>(span).count(), 0;
}
API cuEventElapsedTime(float *ms, void *from, void *to) { return cuEventElapsedTime_v2(ms, from, to); }

API cuModuleLoadData(void **module, const void *image) {
    if (!std::strstr(static_cast<const char *>(image), "emulated")) return 218; // INVALID_PTX
    return *module = &held, 0;
}
API cuModuleUnload(void *) { return 0; }
API cuModuleGetFunction(const void **function, void *, const char *name) {
    for (const Kernel *table : {kernels_f32, kernels_f64})
        for (const Kernel *k = table; k->name; ++k)
            if (!std::strcmp(k->name, name)) return *function = k, 0;
    return 500; // NOT_FOUND
}
API cuLaunchKernel(const void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *, void **parameters, void **) {
    auto *kernel = static_cast<const Kernel *>(function);
    if (!gx || !gy || !gz || gy > 65535 || gz > 65535 || gx > 2147483647u || !bx || !by || !bz ||
        bx * by * bz > 1024)
        return 1;
    if (shared) fault("dynamic shared memory is not emulated:", kernel->name);
    witness.launches();
    for (unsigned z = 0; z < gz; ++z)
        for (unsigned y = 0; y < gy; ++y)
            for (unsigned x = 0; x < gx; ++x)
                witness.block_by(bx * by * bz, (uint64_t(z) * gy + y) * gx + x, uint64_t(gz) * gy * gx, [&] {
                    gridDim = {gx, gy, gz};
                    blockDim = {bx, by, bz};
                    blockIdx = {x, y, z};
                    block.kernel = kernel;
                    block.parameters = parameters;
                    block.threads = bx * by * bz;
                    // The order of threads must not matter.
                    block.backwards = (x + y + z) % 2;
                    run_block();
                });
    witness.lands();
    return 0;
}

API cuGetErrorName(int code, const char **name) {
    return *name = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR", 0;
}
API cuGetErrorString(int code, const char **text) {
    return *text = code == 2 ? "out of memory" : "emulated", 0;
}
