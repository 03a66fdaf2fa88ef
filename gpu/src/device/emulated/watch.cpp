// A process that is watched by ThreadSanitizer and does what a driver is asked: it has the memory, opens units and runs
// their kernels. `watched.rs` is the other side; numbers and orders are words of 64 bits, in the machine's own order.
//
// One thread reads orders; a launch has one more for each copy of the unit, which begins and joins the threads of its
// blocks (`threads.hpp`). So launches are ordered, as in a stream, and blocks of one launch are not.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

// A launch that takes longer waits for something that does not come.
enum : unsigned { SECONDS = 120 };

enum Order : uint64_t { OPEN = 1, ALLOCATE, FREE, WRITE, READ, FILL, LAUNCH };

[[noreturn]] void leave(const char* why) {
    if (why) (void)!write(2, why, strlen(why));
    _exit(why ? 1 : 0);
}

void receive(void* to, size_t bytes) {
    for (char* at = (char*)to; bytes > 0;) {
        const ssize_t got = read(0, at, bytes);
        if (got <= 0) leave(nullptr);
        at += got;
        bytes -= (size_t)got;
    }
}

void send(const void* from, size_t bytes) {
    for (const char* at = (const char*)from; bytes > 0;) {
        const ssize_t put = write(1, at, bytes);
        if (put <= 0) leave(nullptr);
        at += put;
        bytes -= (size_t)put;
    }
}

uint64_t word() {
    uint64_t value;
    receive(&value, sizeof value);
    return value;
}

void answer(uint64_t value) { send(&value, sizeof value); }

std::string text() {
    std::string value(word(), ' ');
    receive(&value[0], value.size());
    return value;
}

typedef unsigned (*Entry)(const unsigned long long* words, unsigned blocks, unsigned threads, unsigned first, unsigned step);

struct Part {
    Entry entry;
    const std::vector<unsigned long long>* words;
    unsigned blocks, threads, first, step;
    pthread_t thread;
};

void* run(void* of) {
    const Part& part = *(Part*)of;
    part.entry(part.words->data(), part.blocks, part.threads, part.first, part.step);
    return nullptr;
}

// The copies of a unit.
typedef std::vector<void*> Unit;

void launch(const Unit& unit) {
    const std::string kernel = text();
    const unsigned blocks = (unsigned)word(), threads = (unsigned)word();
    std::vector<unsigned long long> words(word());
    receive(words.data(), words.size() * sizeof words[0]);
    const unsigned step = (unsigned)unit.size();
    std::vector<Part> parts;
    for (void* copy : unit) {
        const Entry entry = (Entry)dlsym(copy, kernel.c_str());
        if (!entry) leave("there is no such kernel\n");
        if (parts.size() < blocks) parts.push_back({entry, &words, blocks, threads, (unsigned)parts.size(), step, {}});
    }
    alarm(SECONDS);
    for (Part& part : parts) {
        if (pthread_create(&part.thread, nullptr, run, &part) != 0) leave("a thread cannot be had\n");
    }
    for (Part& part : parts) pthread_join(part.thread, nullptr);
    alarm(0);
}

}  // namespace

int main() {
    std::vector<Unit> units;
    for (;;) {
        switch (word()) {
        case OPEN: {
            Unit unit(word());
            for (void*& copy : unit) {
                copy = dlopen(text().c_str(), RTLD_NOW | RTLD_LOCAL);
                if (!copy) leave(dlerror());
            }
            units.push_back(unit);
            answer(units.size() - 1);
            break;
        }
        case ALLOCATE: {
            const size_t bytes = word();
            void* at = aligned_alloc(256, (bytes + 255) / 256 * 256);
            if (at) memset(at, 0xa5, bytes);
            answer((uint64_t)at);
            break;
        }
        case FREE: free((void*)word()); break;
        case WRITE: {
            char* at = (char*)word();
            receive(at, word());
            break;
        }
        case READ: {
            const char* at = (const char*)word();
            send(at, word());
            break;
        }
        case FILL: {
            char* at = (char*)word();
            const int byte = (int)word();
            memset(at, byte, word());
            break;
        }
        case LAUNCH: {
            launch(units.at(word()));
            answer(0);
            break;
        }
        default: leave("an order that is none\n");
        }
    }
}
