// A module of its own, so that the command line need not load what makes threads.

/**
 * Threads that had not ended when their pools were closed. The process can end by `exitWithin` only while there are
 * any.
 */
export const stuckThreads = { count: 0 };
