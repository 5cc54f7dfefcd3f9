#include "frequency_stats.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {
namespace {

// Sums over one plane, in scan order, before dequantisation.
struct PlaneSums {
  int64_t sum[kBlockSize] = {};
  int64_t squares[kBlockSize] = {};
  int64_t nonzero[kBlockSize] = {};
  int64_t largest[kBlockSize] = {};

  void add(int k, int value) {
    sum[k] += value;
    squares[k] += int64_t(value) * value;
    nonzero[k] += value != 0;
    largest[k] = std::max<int64_t>(largest[k], std::abs(value));
  }
};

inline int take_value(const uint8_t** values, const int16_t** escapes) {
  const uint8_t value = *(*values)++;
  return value == kEscape ? *(*escapes)++ : int8_t(value);
}

void add_block(uint64_t mask, const uint8_t* values, const int16_t* escapes, PlaneSums* sums) {
  for (uint64_t left = mask; left != 0; left &= left - 1)
    sums->add(__builtin_ctzll(left), take_value(&values, &escapes));
}

// The DC coefficients of a row, out of their differences.
class DcRow {
 public:
  explicit DcRow(int start) : dc_(start) {}
  void add(int difference) {
    dc_ = int16_t(dc_ + difference);
    if (blocks_++ == 0) first_ = dc_;
    sum_ += dc_;
    squares_ += int64_t(dc_) * dc_;
    nonzero_ += dc_ != 0;
    largest_ = std::max(largest_, std::abs(dc_));
  }
  void finish(int* first_dc, PlaneSums* sums) const {
    *first_dc = first_;
    sums->sum[0] += sum_;
    sums->squares[0] += squares_;
    sums->nonzero[0] += nonzero_;
    sums->largest[0] = std::max<int64_t>(sums->largest[0], largest_);
  }

 private:
  int dc_, first_ = 0, largest_ = 0;
  int64_t blocks_ = 0, sum_ = 0, squares_ = 0, nonzero_ = 0;
};

// Adds a row of blocks, and advances past their values and escapes. `first_dc` is the first DC coefficient of the row
// above, and becomes this row's.
using AddRow = void (*)(const uint64_t* masks, size_t blocks, const uint8_t** values, const int16_t** escapes,
                        int* first_dc, PlaneSums* sums);

void add_row_scalar(const uint64_t* masks, size_t blocks, const uint8_t** values, const int16_t** escapes,
                    int* first_dc, PlaneSums* sums) {
  DcRow dc(*first_dc);
  for (size_t i = 0; i < blocks; i++) {
    dc.add(masks[i] & 1 ? take_value(values, escapes) : 0);
    for (uint64_t left = masks[i] & ~uint64_t(1); left != 0; left &= left - 1)
      sums->add(__builtin_ctzll(left), take_value(values, escapes));
  }
  dc.finish(first_dc, sums);
}

#if defined(__x86_64__)

#define DCTSTREAM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")))

// Lanes are scan positions: 64 int8, widened where they add up.
struct WideSums {
  __m512i nonzero, largest, sum[2], squares[2];
};

DCTSTREAM_AVX512 void flush(WideSums* wide, PlaneSums* sums) {
  alignas(64) uint8_t nonzero[kBlockSize], largest[kBlockSize];
  alignas(64) int16_t sum[kBlockSize];
  _mm512_store_si512(nonzero, wide->nonzero);
  _mm512_store_si512(largest, wide->largest);
  for (int half = 0; half < 2; half++) _mm512_store_si512(sum + 32 * half, wide->sum[half]);
  for (int k = 0; k < kBlockSize; k++) {
    sums->nonzero[k] += nonzero[k];
    sums->largest[k] = std::max<int64_t>(sums->largest[k], largest[k]);
    sums->sum[k] += sum[k];
  }
  *wide = {_mm512_setzero_si512(),
           _mm512_setzero_si512(),
           {_mm512_setzero_si512(), _mm512_setzero_si512()},
           {_mm512_setzero_si512(), _mm512_setzero_si512()}};
}

// Squares of four blocks fit uint16, counts and sums of 255 blocks fit uint8 and int16.
constexpr size_t kBlocksPerFlush = 252, kBlocksPerSquares = 4;

DCTSTREAM_AVX512 void add_row_avx512(const uint64_t* masks, size_t blocks, const uint8_t** values,
                                     const int16_t** escapes, int* first_dc, PlaneSums* sums) {
  DcRow dc_row(*first_dc);
  WideSums wide = {_mm512_setzero_si512(),
                   _mm512_setzero_si512(),
                   {_mm512_setzero_si512(), _mm512_setzero_si512()},
                   {_mm512_setzero_si512(), _mm512_setzero_si512()}};
  __m512i squares[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  const __m512i ones = _mm512_set1_epi8(1), escape = _mm512_set1_epi8(char(kEscape));
  const uint8_t* value = *values;
  const int16_t* next_escape = *escapes;
  for (size_t i = 0; i < blocks; i++) {
    const uint64_t mask = masks[i];
    const int dc = int(mask & 1);  // values in front of the AC coefficients
    int difference = 0;
    if (dc != 0) difference = *value == kEscape ? *next_escape++ : int8_t(*value);
    dc_row.add(difference);
    const uint64_t ac = mask & ~uint64_t(1);
    const int count = __builtin_popcountll(mask);
    // A masked load does not touch bytes behind the stream.
    const int ac_count = count - dc;
    const __mmask64 present = ac_count == 0 ? 0 : ~uint64_t(0) >> (64 - ac_count);
    const __m512i packed = _mm512_maskz_loadu_epi8(present, value + dc);
    const uint64_t escaped = _mm512_cmpeq_epi8_mask(packed, escape);
    if (__builtin_expect(escaped != 0, 0)) {
      add_block(ac, value + dc, next_escape, sums);
      next_escape += __builtin_popcountll(escaped);
    } else {
      const __m512i block = _mm512_maskz_expand_epi8(ac, packed);
      wide.nonzero = _mm512_mask_add_epi8(wide.nonzero, ac, wide.nonzero, ones);
      wide.largest = _mm512_max_epu8(wide.largest, _mm512_abs_epi8(block));
      const __m512i low = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(block));
      const __m512i high = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(block, 1));
      wide.sum[0] = _mm512_add_epi16(wide.sum[0], low);
      wide.sum[1] = _mm512_add_epi16(wide.sum[1], high);
      wide.squares[0] = _mm512_add_epi16(wide.squares[0], _mm512_mullo_epi16(low, low));
      wide.squares[1] = _mm512_add_epi16(wide.squares[1], _mm512_mullo_epi16(high, high));
    }
    value += count;
    if ((i + 1) % kBlocksPerSquares == 0) {
      for (int half = 0; half < 2; half++) {
        squares[2 * half] =
            _mm512_add_epi32(squares[2 * half], _mm512_cvtepu16_epi32(_mm512_castsi512_si256(wide.squares[half])));
        squares[2 * half + 1] = _mm512_add_epi32(
            squares[2 * half + 1], _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(wide.squares[half], 1)));
        wide.squares[half] = _mm512_setzero_si512();
      }
    }
    if ((i + 1) % kBlocksPerFlush == 0) flush(&wide, sums);
  }
  for (int half = 0; half < 2; half++) {
    alignas(64) uint16_t rest[32];
    alignas(64) uint32_t most[32];
    _mm512_store_si512(rest, wide.squares[half]);
    _mm512_store_si512(most, squares[2 * half]);
    _mm512_store_si512(most + 16, squares[2 * half + 1]);
    for (int k = 0; k < 32; k++) sums->squares[32 * half + k] += int64_t(rest[k]) + most[k];
  }
  flush(&wide, sums);
  dc_row.finish(first_dc, sums);
  *values = value;
  *escapes = next_escape;
}

#endif

AddRow add_row_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return add_row_avx512;
#endif
  (void)level;
  return add_row_scalar;
}

// Real images stay far below; only tables made of 16-bit numbers do not.
int64_t bounded(__int128 value) {
  constexpr int64_t kLargest = (int64_t(1) << 52) - 1;
  return int64_t(std::clamp<__int128>(value, -kLargest, kLargest));
}

}  // namespace

void measure_frequencies(const JpegFacts& facts, const std::vector<PlaneStreams>& planes, Simd simd,
                         FrequencyStats* stats) {
  const AddRow add_row = add_row_for(simd);
  *stats = {};
  for (size_t i = 0; i < std::min<size_t>(planes.size(), 3); i++) {
    const JpegComponent& component = facts.components[i];
    const PlaneStreams& plane = planes[i];
    const size_t padding = plane.grid.blocks_wide - component.blocks_wide;
    PlaneSums sums;
    const uint8_t* values = plane.values.data();
    const int16_t* escapes = plane.escapes.data();
    int first_dc = 0;
    for (uint32_t row = 0; row < component.blocks_high; row++) {
      if (row % kRowsPerFrame == 0) {
        values = plane.values.data() + plane.value_start(row / kRowsPerFrame);
        escapes = plane.escapes.data() + plane.escape_start(row / kRowsPerFrame);
        first_dc = 0;
      }
      const uint64_t* masks = plane.masks.data() + size_t(row) * plane.grid.blocks_wide;
      add_row(masks, component.blocks_wide, &values, &escapes, &first_dc, &sums);
      for (size_t j = 0; j < padding; j++) {
        const uint8_t* end = values + __builtin_popcountll(masks[component.blocks_wide + j]);
        escapes += std::count(values, end, kEscape);
        values = end;
      }
    }
    stats->blocks[i] = int64_t(component.blocks_wide) * component.blocks_high;
    for (int k = 0; k < kBlockSize; k++) {
      const int natural = kZigzag[k];
      const int64_t step = component.quant[natural];
      stats->sum[i][natural] = bounded(__int128(sums.sum[k]) * step);
      stats->squares[i][natural] = bounded(__int128(sums.squares[k]) * step * step);
      stats->nonzero[i][natural] = sums.nonzero[k];
      stats->largest[i][natural] = sums.largest[k] * step;
    }
  }
}

}  // namespace dctstream
