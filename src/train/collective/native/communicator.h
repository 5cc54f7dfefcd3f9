// The processes of an MPI job: sums and broadcasts over all of them, made one after the other by a thread of their own,
// so that they run beside the caller's work. Knows nothing of JavaScript.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace dctstream {

struct Place {
  int rank = 0;
  int size = 1;
  // Among the ranks of this machine.
  int local_rank = 0;
  int local_size = 1;
};

class Communicator {
 public:
  // Called by the communicator's thread when an operation has ended; empty when it went well, else MPI's own words.
  using Done = std::function<void(const std::string& error)>;

  // Joins the job that this process was started in. One per process. The rank is valid when `error` stays empty.
  explicit Communicator(std::string* error);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const Place& place() const { return place_; }

  // Replaces `count` values by their sum over all ranks. They must stay where they are until `done`.
  void sum(float* values, size_t count, Done done);
  // Replaces the bytes of all ranks by those of rank 0.
  void broadcast(uint8_t* bytes, size_t count, Done done);
  // Leaves the job in good order; nothing may follow.
  void finalize(Done done);
  // Ends all processes of the job.
  [[noreturn]] void abort();

 private:
  struct Task {
    std::function<int()> work;
    Done done;
    bool last = false;
  };

  void enqueue(Task task);
  void run(std::string* error);
  void join(std::string* error);

  Place place_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool joined_ = false;
  std::thread thread_;
};

}  // namespace dctstream
