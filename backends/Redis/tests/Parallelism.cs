using Xunit;

// Twice as many as a small machine has processors: most of these tests wait for servers that start, fail over or let time pass.
[assembly: CollectionBehavior(MaxParallelThreads = 4)]
