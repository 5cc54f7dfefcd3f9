#include "base/deadline.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

namespace dctstream {
namespace {

using Clock = std::chrono::steady_clock;

// One press of Ctrl-C may arrive from the terminal and from a launcher.
constexpr auto kSamePress = std::chrono::milliseconds(100);

constexpr int kSignals[] = {SIGINT, SIGTERM};

struct Watch {
  std::mutex mutex;
  std::set<std::string> temporaries;
  bool interrupted = false;
  Clock::time_point first_signal, grace_since;
  std::chrono::milliseconds grace{0};
  int status = 130;
  bool has_deadline = false;
  Clock::time_point deadline;
  int deadline_status = 1;
  bool watching = false;
};

// Never destroyed: threads may use it until the very end.
Watch& watch() {
  static Watch* const it = new Watch();
  return *it;
}

// What the signal handlers see: a pipe to the watching thread, and the handlers that were there before.
std::atomic<int> pipe_end{-1};
struct sigaction before[sizeof(kSignals) / sizeof(kSignals[0])];

void wake(char why) {
  const int saved = errno;
  const int fd = pipe_end.load();
  if (fd >= 0) (void)!write(fd, &why, 1);
  errno = saved;
}

void on_signal(int number) {
  wake('s');
  for (size_t i = 0; i < sizeof(kSignals) / sizeof(kSignals[0]); i++)
    if (kSignals[i] == number && before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
      before[i].sa_handler(number);
}

// With the lock held, so that no file is begun after the others are gone.
[[noreturn]] void end_process(const Watch& state, bool interrupted) {
  for (const std::string& path : state.temporaries) (void)unlink(path.c_str());
  if (interrupted) {
    // A progress bar may have hidden the cursor.
    const char* const text = isatty(2) ? "\x1b[?25h\ndctstream: interrupted; run the same command again to resume\n"
                                       : "dctstream: interrupted; run the same command again to resume\n";
    (void)!write(2, text, std::strlen(text));
  }
  _exit(interrupted ? state.status : state.deadline_status);
}

// Milliseconds until the process has to end; -1: never. Ends it when that is now.
int time_left(const Watch& state) {
  const auto now = Clock::now();
  auto end = Clock::time_point::max();
  bool by_signal = false;
  if (state.interrupted) {
    end = std::max(state.first_signal, state.grace_since) + state.grace;
    by_signal = true;
  }
  if (state.has_deadline && state.deadline < end) {
    end = state.deadline;
    by_signal = false;
  }
  if (end == Clock::time_point::max()) return -1;
  if (end <= now) end_process(state, by_signal);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now).count() + 1;
  return int(std::min<long long>(left, INT_MAX));
}

void hear(Watch* state, char why) {
  if (why != 's') return;
  const auto now = Clock::now();
  if (!state->interrupted) {
    state->interrupted = true;
    state->first_signal = now;
  } else if (now - state->first_signal > kSamePress) {
    end_process(*state, true);
  }
}

void keep_watch(int fd) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // handlers run in threads that have something to do with them
  Watch& state = watch();
  for (;;) {
    int timeout = -1;
    {
      std::lock_guard<std::mutex> lock(state.mutex);
      timeout = time_left(state);
    }
    pollfd waiting = {fd, POLLIN, 0};
    if (poll(&waiting, 1, timeout) <= 0) continue;
    char why = 0;
    if (read(fd, &why, 1) != 1) continue;
    std::lock_guard<std::mutex> lock(state.mutex);
    hear(&state, why);
  }
}

// The thread and its pipe, begun with the first need of them.
bool begin_watching() {
  static const bool begun = [] {
    int ends[2];
    if (pipe(ends) != 0) return false;
    for (int fd : ends) fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    try {
      std::thread(keep_watch, ends[0]).detach();
    } catch (const std::system_error&) {
      close(ends[0]);
      close(ends[1]);
      return false;
    }
    pipe_end.store(ends[1]);
    return true;
  }();
  return begun;
}

}  // namespace

bool watch_interrupts(int grace_ms, int status) {
  if (!begin_watching()) return false;
  Watch& state = watch();
  std::lock_guard<std::mutex> lock(state.mutex);
  state.grace = std::chrono::milliseconds(grace_ms);
  state.grace_since = Clock::now();
  state.status = status;
  if (state.watching) return true;
  for (size_t i = 0; i < sizeof(kSignals) / sizeof(kSignals[0]); i++) {
    struct sigaction ours;
    std::memset(&ours, 0, sizeof(ours));
    ours.sa_handler = on_signal;
    sigfillset(&ours.sa_mask);
    ours.sa_flags = SA_RESTART;
    if (sigaction(kSignals[i], nullptr, &before[i]) != 0) return false;
    // A handler of the other kind is somebody's whom we do not know: theirs stays.
    if ((before[i].sa_flags & SA_SIGINFO) != 0) continue;
    if (sigaction(kSignals[i], &ours, nullptr) != 0) return false;
  }
  state.watching = true;
  return true;
}

void set_grace(int grace_ms) {
  Watch& state = watch();
  std::lock_guard<std::mutex> lock(state.mutex);
  state.grace = std::chrono::milliseconds(grace_ms);
  state.grace_since = Clock::now();
  wake('w');
}

void unwatch_interrupts() {
  Watch& state = watch();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (!state.watching) return;
  for (size_t i = 0; i < sizeof(kSignals) / sizeof(kSignals[0]); i++)
    if ((before[i].sa_flags & SA_SIGINFO) == 0) sigaction(kSignals[i], &before[i], nullptr);
  state.watching = false;
}

bool exit_within(int ms, int status) {
  if (!begin_watching()) return false;
  Watch& state = watch();
  std::lock_guard<std::mutex> lock(state.mutex);
  state.interrupted = false;  // it has been dealt with
  state.has_deadline = true;
  state.deadline = Clock::now() + std::chrono::milliseconds(ms);
  state.deadline_status = status;
  wake('w');
  return true;
}

void hold_temporary(const std::string& path) {
  std::lock_guard<std::mutex> lock(watch().mutex);
  watch().temporaries.insert(path);
}

void release_temporary(const std::string& path) {
  std::lock_guard<std::mutex> lock(watch().mutex);
  watch().temporaries.erase(path);
}

}  // namespace dctstream
