#include "threads.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace dctstream {
namespace {

class Pool {
 public:
  explicit Pool(int helpers) {
    for (int i = 0; i < helpers; i++) threads_.emplace_back([this, i] { serve(i + 1); });
  }

  void run(int64_t items, int parts, const std::function<void(int64_t, int64_t, int)>& body) {
    std::lock_guard<std::mutex> turn(turn_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      items_ = items;
      parts_ = parts;
      body_ = &body;
      pending_ = parts - 1;
      round_++;
    }
    wake_.notify_all();
    work(0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return pending_ == 0; });
  }

 private:
  void work(int part) const { (*body_)(items_ * part / parts_, items_ * (part + 1) / parts_, part); }

  void serve(int part) {
    uint64_t seen = 0;
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      if (part >= parts_) continue;
      lock.unlock();
      work(part);
      lock.lock();
      if (--pending_ == 0) done_.notify_one();
    }
  }

  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  const std::function<void(int64_t, int64_t, int)>* body_ = nullptr;
  int64_t items_ = 0;
  int parts_ = 0, pending_ = 0;
  uint64_t round_ = 0;
};

// Never destroyed: its threads live as long as the process, and joining them while it exits could hang.
Pool& pool() {
  static Pool* const shared = new Pool(thread_count() - 1);
  return *shared;
}

}  // namespace

int thread_count() {
  static const int count = [] {
    const char* wanted = std::getenv("TF_NUM_INTRAOP_THREADS");
    const int number = wanted == nullptr ? 0 : std::atoi(wanted);
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(number > 0 ? number : cores, 1, 256);
  }();
  return count;
}

void parallel_ranges(int64_t items, int64_t least_items, const std::function<void(int64_t, int64_t, int)>& body) {
  const int parts = static_cast<int>(std::clamp<int64_t>(items / std::max<int64_t>(1, least_items), 1, thread_count()));
  if (parts == 1) return body(0, items, 0);
  pool().run(items, parts, body);
}

}  // namespace dctstream
