// Ends the process when it does not end by itself: after an interruption, at a second one, or when threads that nobody
// can stop are left. JavaScript cannot: it waits for every thread's native code, and gets no signal while a step of
// training keeps the main thread.
//
// All of this is of the process, which has its signals and files once, however many threads load the addon.
#pragma once
#include <string>

namespace dctstream {

// From now on SIGINT and SIGTERM also count here, after the handlers that are set already. `grace_ms` after the first,
// or at once when another comes, files that are held are removed and the process ends with `status`. Another within a
// moment is the same one: launchers pass on what a terminal has sent to all. False when the system does not let us.
bool watch_interrupts(int grace_ms, int status);

// Another grace, from now on.
void set_grace(int grace_ms);

// Signals mean what they did before. An interruption that has arrived is still watched.
void unwatch_interrupts();

// The process has done what it had to: ends it in the same way after so long, without a word. False when the system
// does not let us.
bool exit_within(int ms, int status);

// A file that is worth nothing until it is released.
void hold_temporary(const std::string& path);
void release_temporary(const std::string& path);

}  // namespace dctstream
