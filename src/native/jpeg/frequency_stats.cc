#include "jpeg/frequency_stats.h"

#include <cstring>

#include "packed/spread.h"

namespace dctstream {
namespace {

// Values and escapes still to be added, and where the memory ends that may be read, which holds more than the values.
struct RowCursor {
  const uint8_t* values;
  const uint8_t* readable_end;
  const int16_t* escapes;

  int take() {
    const uint8_t value = *values++;
    return value == kEscape ? *escapes++ : int8_t(value);
  }
};

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
using AddRow = void (*)(const uint64_t* masks, size_t blocks, RowCursor* cursor, int* first_dc, PlaneSums* sums);

void add_block_scalar(uint64_t mask, RowCursor* cursor, DcRow* dc, PlaneSums* sums) {
  dc->add(mask & 1 ? cursor->take() : 0);
  for (uint64_t left = mask & ~uint64_t(1); left != 0; left &= left - 1) {
    const int k = __builtin_ctzll(left);
    sums->add(k, cursor->take());
    sums->nonzero[k]++;
  }
}

void add_row_scalar(const uint64_t* masks, size_t blocks, RowCursor* cursor, int* first_dc, PlaneSums* sums) {
  DcRow dc(*first_dc);
  for (size_t i = 0; i < blocks; i++) add_block_scalar(masks[i], cursor, &dc, sums);
  dc.finish(first_dc, sums);
}

#if defined(__x86_64__)

#define DCTSTREAM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")))

// Lanes are scan positions: 64 int8, widened where they add up. By value, so that the loop keeps them in registers.
DCTSTREAM_AVX512 void flush(__m512i nonzero, __m512i largest, __m512i low_sum, __m512i high_sum, PlaneSums* sums) {
  alignas(64) uint8_t counts[kBlockSize], magnitudes[kBlockSize];
  alignas(64) int16_t sum[kBlockSize];
  _mm512_store_si512(counts, nonzero);
  _mm512_store_si512(magnitudes, largest);
  _mm512_store_si512(sum, low_sum);
  _mm512_store_si512(sum + 32, high_sum);
  for (int k = 0; k < kBlockSize; k++) {
    sums->nonzero[k] += counts[k];
    sums->largest[k] = std::max<int64_t>(sums->largest[k], magnitudes[k]);
    sums->sum[k] += sum[k];
  }
}

DCTSTREAM_AVX512 inline __m512i widen(__m512i squares, int half) {
  return _mm512_cvtepu16_epi32(half == 0 ? _mm512_castsi512_si256(squares) : _mm512_extracti64x4_epi64(squares, 1));
}

// Squares of four blocks fit uint16, counts and sums of 252 blocks fit uint8 and int16.
constexpr size_t kBlocksPerFlush = 252, kBlocksPerSquares = 4;

DCTSTREAM_AVX512 void add_row_avx512(const uint64_t* masks, size_t blocks, RowCursor* cursor, int* first_dc,
                                     PlaneSums* sums) {
  DcRow dc_row(*first_dc);
  const __m512i zero = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1), escape = _mm512_set1_epi8(char(kEscape));
  __m512i nonzero = zero, largest = zero, low_sum = zero, high_sum = zero;
  __m512i low_squares = zero, high_squares = zero;                             // uint16
  __m512i squares0 = zero, squares1 = zero, squares2 = zero, squares3 = zero;  // uint32
  const uint8_t* value = cursor->values;
  const int16_t* next_escape = cursor->escapes;
  for (size_t i = 0; i < blocks; i++) {
    const uint64_t mask = masks[i];
    const int dc = int(mask & 1);  // values in front of the AC coefficients
    int difference = dc != 0 ? int8_t(*value) : 0;
    if (__builtin_expect(difference == int8_t(kEscape), 0)) difference = *next_escape++;
    dc_row.add(difference);
    const uint64_t ac = mask & ~uint64_t(1);
    const int count = __builtin_popcountll(mask), ac_count = count - dc;
    // A masked load does not touch bytes behind the stream.
    const __mmask64 present = ac_count == 0 ? 0 : ~uint64_t(0) >> (64 - ac_count);
    const __m512i packed = _mm512_maskz_loadu_epi8(present, value + dc);
    __m512i block = _mm512_maskz_expand_epi8(ac, packed);
    nonzero = _mm512_mask_add_epi8(nonzero, ac, nonzero, ones);
    const uint64_t escaped = _mm512_cmpeq_epi8_mask(block, escape);
    if (__builtin_expect(escaped != 0, 0)) {
      block = _mm512_maskz_mov_epi8(~escaped, block);
      for (uint64_t left = escaped; left != 0; left &= left - 1) sums->add(__builtin_ctzll(left), *next_escape++);
    }
    largest = _mm512_max_epu8(largest, _mm512_abs_epi8(block));
    const __m512i low = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(block));
    const __m512i high = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(block, 1));
    low_sum = _mm512_add_epi16(low_sum, low);
    high_sum = _mm512_add_epi16(high_sum, high);
    low_squares = _mm512_add_epi16(low_squares, _mm512_mullo_epi16(low, low));
    high_squares = _mm512_add_epi16(high_squares, _mm512_mullo_epi16(high, high));
    value += count;
    if ((i + 1) % kBlocksPerSquares == 0) {
      squares0 = _mm512_add_epi32(squares0, widen(low_squares, 0));
      squares1 = _mm512_add_epi32(squares1, widen(low_squares, 1));
      squares2 = _mm512_add_epi32(squares2, widen(high_squares, 0));
      squares3 = _mm512_add_epi32(squares3, widen(high_squares, 1));
      low_squares = high_squares = zero;
    }
    if ((i + 1) % kBlocksPerFlush == 0) {
      flush(nonzero, largest, low_sum, high_sum, sums);
      nonzero = largest = low_sum = high_sum = zero;
    }
  }
  flush(nonzero, largest, low_sum, high_sum, sums);
  alignas(64) uint32_t squares[kBlockSize];
  _mm512_store_si512(squares, _mm512_add_epi32(squares0, widen(low_squares, 0)));
  _mm512_store_si512(squares + 16, _mm512_add_epi32(squares1, widen(low_squares, 1)));
  _mm512_store_si512(squares + 32, _mm512_add_epi32(squares2, widen(high_squares, 0)));
  _mm512_store_si512(squares + 48, _mm512_add_epi32(squares3, widen(high_squares, 1)));
  for (int k = 0; k < kBlockSize; k++) sums->squares[k] += squares[k];
  dc_row.finish(first_dc, sums);
  cursor->values = value;
  cursor->escapes = next_escape;
}

#define DCTSTREAM_AVX2 __attribute__((target("avx2,popcnt,bmi")))

// The same with half as wide lanes: a block is two vectors of 32 scan positions. What adds up lies in memory, which
// the first cache holds; there are too few registers for all of it.
struct alignas(32) HalfSums {
  __m256i nonzero, largest;  // uint8
  __m256i sum[2];            // int16
  __m256i squares[2];        // uint16, of a few blocks
  __m256i wide_squares[4];   // uint32
};

// 0xff where a bit of the mask is set.
DCTSTREAM_AVX2 inline __m256i bytes_of(uint32_t mask) {
  const __m256i byte_of_lane = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of_lane = _mm256_set1_epi64x(int64_t(0x8040201008040201));
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(int(mask)), byte_of_lane);
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of_lane), bit_of_lane);
}

DCTSTREAM_AVX2 inline void add_half(__m256i block, uint32_t mask, HalfSums* half) {
  half->nonzero = _mm256_sub_epi8(half->nonzero, bytes_of(mask));
  half->largest = _mm256_max_epu8(half->largest, _mm256_abs_epi8(block));
  const __m256i part[2] = {_mm256_cvtepi8_epi16(_mm256_castsi256_si128(block)),
                           _mm256_cvtepi8_epi16(_mm256_extracti128_si256(block, 1))};
  for (int i = 0; i < 2; i++) {
    half->sum[i] = _mm256_add_epi16(half->sum[i], part[i]);
    half->squares[i] = _mm256_add_epi16(half->squares[i], _mm256_mullo_epi16(part[i], part[i]));
  }
}

DCTSTREAM_AVX2 inline void widen_squares(HalfSums* half) {
  for (int i = 0; i < 2; i++) {
    const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(half->squares[i]));
    const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(half->squares[i], 1));
    half->wide_squares[2 * i] = _mm256_add_epi32(half->wide_squares[2 * i], low);
    half->wide_squares[2 * i + 1] = _mm256_add_epi32(half->wide_squares[2 * i + 1], high);
    half->squares[i] = _mm256_setzero_si256();
  }
}

DCTSTREAM_AVX2 void flush_half(int first, HalfSums* half, PlaneSums* sums) {
  widen_squares(half);
  alignas(32) uint8_t counts[32], magnitudes[32];
  alignas(32) int16_t sum[32];
  alignas(32) uint32_t squares[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(counts), half->nonzero);
  _mm256_store_si256(reinterpret_cast<__m256i*>(magnitudes), half->largest);
  for (int i = 0; i < 2; i++) _mm256_store_si256(reinterpret_cast<__m256i*>(sum) + i, half->sum[i]);
  for (int i = 0; i < 4; i++) _mm256_store_si256(reinterpret_cast<__m256i*>(squares) + i, half->wide_squares[i]);
  for (int lane = 0; lane < 32; lane++) {
    const int k = first + lane;
    sums->nonzero[k] += counts[lane];
    sums->largest[k] = std::max<int64_t>(sums->largest[k], magnitudes[lane]);
    sums->sum[k] += sum[lane];
    sums->squares[k] += squares[lane];
  }
  *half = HalfSums{};
}

DCTSTREAM_AVX2 void add_row_avx2(const uint64_t* masks, size_t blocks, RowCursor* cursor, int* first_dc,
                                 PlaneSums* sums) {
  DcRow dc_row(*first_dc);
  HalfSums halves[2] = {};
  const __m256i escape = _mm256_set1_epi8(char(kEscape));
  const __m256i without_dc = _mm256_andnot_si256(_mm256_setr_epi64x(0xff, 0, 0, 0), _mm256_set1_epi8(-1));
  for (size_t i = 0; i < blocks; i++) {
    const uint64_t mask = masks[i], ac = mask & ~uint64_t(1);
    if (cursor->readable_end - cursor->values < kSpreadBytes) {
      add_block_scalar(mask, cursor, &dc_row, sums);
      continue;
    }
    int difference = mask & 1 ? int8_t(*cursor->values) : 0;
    if (__builtin_expect(difference == int8_t(kEscape), 0)) difference = *cursor->escapes++;
    dc_row.add(difference);
    __m128i quarters[4];
    spread_block(mask, &cursor->values, quarters);
    __m256i half[2] = {_mm256_and_si256(_mm256_set_m128i(quarters[1], quarters[0]), without_dc),
                       _mm256_set_m128i(quarters[3], quarters[2])};
    const __m256i low = _mm256_cmpeq_epi8(half[0], escape), high = _mm256_cmpeq_epi8(half[1], escape);
    const uint64_t escaped = uint64_t(uint32_t(_mm256_movemask_epi8(high))) << 32 | uint32_t(_mm256_movemask_epi8(low));
    if (__builtin_expect(escaped != 0, 0)) {
      half[0] = _mm256_andnot_si256(low, half[0]);
      half[1] = _mm256_andnot_si256(high, half[1]);
      for (uint64_t left = escaped; left != 0; left &= left - 1) sums->add(__builtin_ctzll(left), *cursor->escapes++);
    }
    add_half(half[0], uint32_t(ac), &halves[0]);
    add_half(half[1], uint32_t(ac >> 32), &halves[1]);
    if ((i + 1) % kBlocksPerSquares == 0)
      for (HalfSums& each : halves) widen_squares(&each);
    if ((i + 1) % kBlocksPerFlush == 0)
      for (int h = 0; h < 2; h++) flush_half(32 * h, &halves[h], sums);
  }
  for (int h = 0; h < 2; h++) flush_half(32 * h, &halves[h], sums);
  dc_row.finish(first_dc, sums);
}

#endif

AddRow add_row_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return add_row_avx512;
  if (level == Simd::kAvx2) return add_row_avx2;
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

void set_frequencies(const JpegFacts& facts, size_t component, const PlaneSums& sums, FrequencyStats* stats) {
  const JpegComponent& of = facts.components[component];
  stats->blocks[component] = int64_t(of.blocks_wide) * of.blocks_high;
  for (int k = 0; k < kBlockSize; k++) {
    const int natural = kZigzag[k];
    const int64_t step = of.quant[natural];
    stats->sum[component][natural] = bounded(__int128(sums.sum[k]) * step);
    stats->squares[component][natural] = bounded(__int128(sums.squares[k]) * step * step);
    stats->nonzero[component][natural] = sums.nonzero[k];
    stats->largest[component][natural] = sums.largest[k] * step;
  }
}

void measure_frequencies(const JpegFacts& facts, const std::vector<PlaneStreams>& planes, Simd simd,
                         FrequencyStats* stats) {
  const AddRow add_row = add_row_for(simd);
  *stats = {};
  for (size_t i = 0; i < std::min<size_t>(planes.size(), 3); i++) {
    const JpegComponent& component = facts.components[i];
    const PlaneStreams& plane = planes[i];
    const size_t padding = plane.grid.blocks_wide - component.blocks_wide;
    PlaneSums sums;
    RowCursor cursor = {plane.values.data(), plane.values.data() + plane.values.capacity(), plane.escapes.data()};
    int first_dc = 0;
    for (uint32_t row = 0; row < component.blocks_high; row++) {
      if (row % kRowsPerFrame == 0) {
        cursor.values = plane.values.data() + plane.value_start(row / kRowsPerFrame);
        cursor.escapes = plane.escapes.data() + plane.escape_start(row / kRowsPerFrame);
        first_dc = 0;
      }
      const uint64_t* masks = plane.masks.data() + size_t(row) * plane.grid.blocks_wide;
      add_row(masks, component.blocks_wide, &cursor, &first_dc, &sums);
      for (size_t j = 0; j < padding; j++) {
        const uint8_t* end = cursor.values + __builtin_popcountll(masks[component.blocks_wide + j]);
        cursor.escapes += std::count(cursor.values, end, kEscape);
        cursor.values = end;
      }
    }
    set_frequencies(facts, i, sums, stats);
  }
}

}  // namespace dctstream
