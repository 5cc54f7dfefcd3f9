// Splits loops over the processor's cores. The threads sleep between loops.
#pragma once
#include <cstdint>
#include <functional>

namespace dctstream {

// How many threads a loop is split over, the caller's included: TF_NUM_INTRAOP_THREADS, or the cores.
int thread_count();

// Calls body(begin, end, part) for `parts` consecutive ranges that cover [0, items), each on a thread of its own, and
// returns when all are done. part counts from 0 to thread_count() - 1. Loops of several callers take turns.
void parallel_ranges(int64_t items, int64_t least_items, const std::function<void(int64_t, int64_t, int)>& body);

}  // namespace dctstream
