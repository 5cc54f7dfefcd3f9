// What the writing thread loads: CommonJS, for the reason that decode-entry.cts gives. Messages that come before the
// worker proper is loaded wait in the port.
void import("./shard-worker.js");
