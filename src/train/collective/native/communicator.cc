#include "communicator.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>

namespace dctstream {
namespace {

// MPI counts with int.
constexpr size_t kMostAtOnce = size_t{1} << 30;

std::string describe(int code) {
  if (code == MPI_SUCCESS) return "";
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  return std::string(text, static_cast<size_t>(length));
}

template <typename T>
int in_pieces(T* values, size_t count, const std::function<int(T*, int)>& piece) {
  for (size_t start = 0; start < count; start += kMostAtOnce) {
    const int code = piece(values + start, static_cast<int>(std::min(kMostAtOnce, count - start)));
    if (code != MPI_SUCCESS) return code;
  }
  return MPI_SUCCESS;
}

}  // namespace

Communicator::Communicator(std::string* error) {
  thread_ = std::thread([this, error] { run(error); });
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return joined_; });
}

Communicator::~Communicator() {
  // A process that ends without finalize has failed: MPI's launcher finds out and ends the job.
  if (thread_.joinable()) thread_.detach();
}

void Communicator::join(std::string* error) {
  // A rank that waits leaves its core to those that compute, unless the user has chosen otherwise.
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  int provided = 0;
  const int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  *error = describe(code);
  if (!error->empty()) return;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &place_.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &place_.size);
  MPI_Comm here;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place_.rank, MPI_INFO_NULL, &here);
  MPI_Comm_rank(here, &place_.local_rank);
  MPI_Comm_size(here, &place_.local_size);
  MPI_Comm_free(&here);
}

void Communicator::run(std::string* error) {
  join(error);
  const bool failed = !error->empty();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    joined_ = true;
  }
  changed_.notify_all();
  for (bool last = failed; !last;) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !tasks_.empty(); });
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task.done(describe(task.work()));
    last = task.last;
  }
}

void Communicator::enqueue(Task task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void Communicator::sum(float* values, size_t count, Done done) {
  const auto work = [values, count] {
    return in_pieces<float>(values, count, [](float* part, int length) {
      return MPI_Allreduce(MPI_IN_PLACE, part, length, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    });
  };
  enqueue({work, std::move(done)});
}

void Communicator::broadcast(uint8_t* bytes, size_t count, Done done) {
  const auto work = [bytes, count] {
    return in_pieces<uint8_t>(
        bytes, count, [](uint8_t* part, int length) { return MPI_Bcast(part, length, MPI_BYTE, 0, MPI_COMM_WORLD); });
  };
  enqueue({work, std::move(done)});
}

void Communicator::finalize(Done done) {
  enqueue({[] { return MPI_Finalize(); }, std::move(done), true});
}

void Communicator::abort() {
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::_Exit(1);
}

}  // namespace dctstream
