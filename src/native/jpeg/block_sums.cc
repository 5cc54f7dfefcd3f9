#include "jpeg/block_sums.h"

namespace dctstream {
namespace {

// As narrow as what they add up fits.
struct Lanes {
  alignas(64) int16_t sum[kBlockSize] = {};
  alignas(64) uint32_t squares[kBlockSize] = {};
  alignas(64) uint8_t nonzero[kBlockSize] = {}, largest[kBlockSize] = {};
};

// Written for the compiler to make vectors of, and compiled for each level.
__attribute__((always_inline)) inline void add_step(const int8_t* blocks, Lanes* lanes) {
  const int8_t *const second = blocks + kBlockSize, *const third = second + kBlockSize,
                      *const fourth = third + kBlockSize;
  for (int k = 0; k < kBlockSize; k++) {
    const int16_t a = blocks[k], b = second[k], c = third[k], d = fourth[k];
    lanes->sum[k] = int16_t(lanes->sum[k] + a + b + c + d);
    lanes->squares[k] += uint16_t(uint16_t(a * a) + uint16_t(b * b) + uint16_t(c * c) + uint16_t(d * d));
  }
  for (size_t n = 0; n < kBlocksPerStep; n++, blocks += kBlockSize) {
    for (int k = 0; k < kBlockSize; k++) {
      const int8_t value = blocks[k];
      const uint8_t magnitude = uint8_t(value < 0 ? -value : value);
      lanes->nonzero[k] = uint8_t(lanes->nonzero[k] + (value != 0));
      lanes->largest[k] = std::max(lanes->largest[k], magnitude);
    }
  }
}

__attribute__((always_inline)) inline void add_dcs(const int16_t* dcs, size_t count, PlaneSums* sums) {
  int64_t squares = 0;
  int sum = 0, nonzero = 0, largest = 0;
  for (size_t i = 0; i < count; i++) {
    const int dc = dcs[i];
    sum += dc;
    squares += dc * dc;
    nonzero += dc != 0;
    largest = std::max(largest, std::abs(dc));
  }
  sums->sum[0] += sum;
  sums->squares[0] += squares;
  sums->nonzero[0] += nonzero;
  sums->largest[0] = std::max<int64_t>(sums->largest[0], largest);
}

__attribute__((always_inline)) inline void add_blocks(const int8_t* blocks, const int16_t* dcs, size_t count,
                                                      PlaneSums* sums) {
  Lanes lanes;
  for (size_t i = 0; i < count; i += kBlocksPerStep) add_step(blocks + i * kBlockSize, &lanes);
  for (int k = 0; k < kBlockSize; k++) {
    sums->sum[k] += lanes.sum[k];
    sums->squares[k] += lanes.squares[k];
    sums->nonzero[k] += lanes.nonzero[k];
    sums->largest[k] = std::max<int64_t>(sums->largest[k], lanes.largest[k]);
  }
  add_dcs(dcs, count, sums);
}

void add_blocks_plain(const int8_t* blocks, const int16_t* dcs, size_t count, PlaneSums* sums) {
  add_blocks(blocks, dcs, count, sums);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void add_blocks_avx2(const int8_t* blocks, const int16_t* dcs, size_t count,
                                                     PlaneSums* sums) {
  add_blocks(blocks, dcs, count, sums);
}
#endif

}  // namespace

AddBlocks add_blocks_for(Simd level) {
#if defined(__x86_64__)
  if (level != Simd::kScalar) return add_blocks_avx2;
#endif
  (void)level;
  return add_blocks_plain;
}

}  // namespace dctstream
