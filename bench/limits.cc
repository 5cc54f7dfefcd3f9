// Ceilings for reading JPEGs on this machine, without I/O and without JavaScript. bench/preprocess.ts builds and runs
// it. Usage: limits THREADS SECONDS < images, each behind its length as 4 little-endian bytes. Prints images per second
// of all threads: libjpeg's coefficient reading, then our own decoder's.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "../src/native/jpeg/baseline.h"
#include "../src/native/jpeg/jpeg.h"
#include "images.h"

using namespace dctstream;

namespace {

template <typename MakeReader>
double measure(const std::vector<Bytes>& images, int threads, double seconds, MakeReader make_reader) {
  std::atomic<size_t> next{0}, done{0};
  const double start = now();
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; t++) {
    pool.emplace_back([&] {
      auto reader = make_reader();
      while (now() - start < seconds) done += reader(images[next++ % images.size()]);
    });
  }
  for (std::thread& thread : pool) thread.join();
  return double(done) / (now() - start);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Bytes> images = read_images();
  if (argc < 3 || images.empty()) return 2;
  const int threads = std::atoi(argv[1]);
  const double seconds = std::atof(argv[2]);
  const double libjpeg = measure(images, threads, seconds, [] {
    return [jpeg = Jpeg()](const Bytes& bytes) mutable {
      return read_jpeg(bytes.data(), bytes.size(), JpegLimits(), &jpeg).ok();
    };
  });
  const double baseline = measure(images, threads, seconds, [] {
    return [reader = std::make_unique<BaselineReader>(best_simd()), facts = JpegFacts(),
            planes = std::vector<PlaneStreams>()](const Bytes& bytes) mutable {
      return reader->read(bytes.data(), bytes.size(), JpegLimits().max_pixels, &facts, &planes);
    };
  });
  std::printf("%f %f\n", libjpeg, baseline);
}
