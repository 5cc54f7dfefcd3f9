#include "seek/entry_code.h"

#include <algorithm>
#include <cstring>

namespace dctstream {
namespace {

constexpr int kMaxFields = 4, kParameterBits = 5, kMaxParameter = 24;
// Codes whose quotient would be longer hold their number as it is.
constexpr uint32_t kMaxQuotient = 24;

constexpr uint32_t zigzag(int32_t value) { return uint32_t(value) << 1 ^ uint32_t(value >> 31); }
constexpr int32_t unzigzag(uint32_t value) { return int32_t(value >> 1) ^ -int32_t(value & 1); }

// The middle one of left, above, and what continues both: LOCO-I's predictor.
inline int predict(int left, int above, int above_left) {
  const int low = std::min(left, above), high = std::max(left, above);
  return std::max(low, std::min(high, left + above - above_left));
}

// Predictions from the entries in front of the i-th one.
struct Predictor {
  const EntryPoint* entries;
  size_t per_row;

  int length(size_t i) const { return int(entries[i].bit - (i > 0 ? entries[i - 1].bit : 0)); }
  int of_length(size_t i) const {
    const int64_t left = i > 0 ? length(i - 1) : 0;
    return int((left + (i >= per_row ? length(i - per_row) : left)) / 2);
  }
  int of_dc(size_t i, int component) const {
    const auto dc = [&](size_t at) { return int(entries[at].dc[component]); };
    const int left = i > 0 ? dc(i - 1) : 0, above = i >= per_row ? dc(i - per_row) : left;
    return predict(left, above, i > per_row ? dc(i - per_row - 1) : above);
  }
};

class BitWriter {
 public:
  explicit BitWriter(std::vector<uint8_t>* out) : out_(out) {}

  // At most 32 bits.
  void put(uint32_t value, int bits) {
    buffer_ = buffer_ << bits | value;
    for (count_ += bits; count_ >= 8; count_ -= 8) out_->push_back(uint8_t(buffer_ >> (count_ - 8)));
  }
  void put_rice(uint32_t value, int parameter) {
    const uint32_t quotient = value >> parameter;
    if (quotient >= kMaxQuotient) {
      put((1u << kMaxQuotient) - 1, int(kMaxQuotient));
      put(value, 32);
      return;
    }
    put((2u << quotient) - 2, int(quotient) + 1);
    put(value & ((1u << parameter) - 1), parameter);
  }
  void finish() { put(0, -count_ & 7); }

 private:
  std::vector<uint8_t>* out_;
  uint64_t buffer_ = 0;
  int count_ = 0;
};

int best_parameter(const std::vector<uint32_t>& values) {
  int best = 0;
  size_t fewest = SIZE_MAX;
  for (int k = 0; k <= kMaxParameter; k++) {
    size_t bits = 0;
    for (const uint32_t value : values)
      bits += value >> k < kMaxQuotient ? (value >> k) + 1 + uint32_t(k) : kMaxQuotient + 32;
    if (bits >= fewest) continue;
    fewest = bits;
    best = k;
  }
  return best;
}

// Bits in front of an end. Past it there are zeros, which is found when all was read.
class BitSource {
 public:
  BitSource(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}

  uint32_t take(int bits) {
    const uint32_t value = uint32_t(peek() >> 32 >> (32 - bits));
    at_ += uint64_t(bits);
    return value;
  }
  uint32_t take_rice(int parameter) {
    const uint64_t next = peek();
    const int quotient = __builtin_clzll(~next | 1);
    if (quotient >= int(kMaxQuotient)) {
      at_ += kMaxQuotient;
      return take(32);
    }
    // At most 24 + 24 of the 57 bits that are there at least.
    at_ += uint64_t(quotient + 1 + parameter);
    return uint32_t(quotient) << parameter | uint32_t((next << (quotient + 1)) >> 1 >> (63 - parameter));
  }
  // Whether what was taken ends in the last byte.
  bool ended() const { return (at_ + 7) / 8 == size_; }
  bool overran() const { return at_ > uint64_t(size_) * 8; }

 private:
  uint64_t peek() const {
    const size_t byte = size_t(at_ / 8);
    uint8_t next[8] = {};
    if (byte + 8 <= size_) {
      std::memcpy(next, bytes_ + byte, 8);
    } else if (byte < size_) {
      std::memcpy(next, bytes_ + byte, size_ - byte);
    }
    uint64_t word;
    std::memcpy(&word, next, 8);
    return __builtin_bswap64(word) << (at_ % 8);
  }

  const uint8_t* bytes_;
  size_t size_;
  uint64_t at_ = 0;
};

Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }

}  // namespace

void encode_entries(const SeekSample& sample, std::vector<uint8_t>* out) {
  const Predictor predictor = {sample.entries.data(), sample.grid.per_row};
  const int fields = 1 + sample.layout.components;
  std::vector<uint32_t> values[kMaxFields];
  for (size_t i = 0; i < sample.entries.size(); i++) {
    values[0].push_back(zigzag(predictor.length(i) - predictor.of_length(i)));
    for (int c = 0; c + 1 < fields; c++)
      values[c + 1].push_back(zigzag(sample.entries[i].dc[c] - predictor.of_dc(i, c)));
  }
  BitWriter writer(out);
  int parameters[kMaxFields];
  for (int f = 0; f < fields; f++) {
    parameters[f] = best_parameter(values[f]);
    writer.put(uint32_t(parameters[f]), kParameterBits);
  }
  for (size_t i = 0; i < sample.entries.size(); i++)
    for (int f = 0; f < fields; f++) writer.put_rice(values[f][i], parameters[f]);
  writer.finish();
}

Status decode_entries(const uint8_t* bytes, size_t size, SeekSample* sample) {
  const int fields = 1 + sample->layout.components;
  const size_t count = sample->grid.entries();
  if (count * size_t(fields) > size * 8) return corrupt("the index holds fewer entries than its image has");
  sample->entries.resize(count);
  const Predictor predictor = {sample->entries.data(), sample->grid.per_row};
  BitSource source(bytes, size);
  int parameters[kMaxFields];
  for (int f = 0; f < fields; f++) {
    parameters[f] = int(source.take(kParameterBits));
    if (parameters[f] > kMaxParameter) return corrupt("the index holds entries of no such code");
  }
  const int64_t most = int64_t(sample->facts.scan_bytes()) * 8;
  int64_t bit = 0;
  for (size_t i = 0; i < count; i++) {
    EntryPoint& entry = sample->entries[i];
    const int64_t length = int64_t(unzigzag(source.take_rice(parameters[0]))) + predictor.of_length(i);
    bit += length;
    if (length < 0 || bit >= most || source.overran()) return corrupt("the index holds entries outside their scan");
    entry.bit = uint32_t(bit);
    for (int c = 0; c + 1 < fields; c++)
      entry.dc[c] = int16_t(uint32_t(unzigzag(source.take_rice(parameters[c + 1]))) + uint32_t(predictor.of_dc(i, c)));
  }
  return source.ended() ? Status{} : corrupt("the index holds entries of another length");
}

}  // namespace dctstream
