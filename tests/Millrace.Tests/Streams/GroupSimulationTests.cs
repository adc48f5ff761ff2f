using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Pipeline;
using Millrace.Serialization;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Streams;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Streams;

/// <summary>
/// Law S6 over random histories: members of one group read, commit, join, leave, are killed, or stand still beyond their session and go on. One thread takes all steps over
/// memory and a clock that stands, so a seed replays its history exactly.
/// </summary>
public sealed class GroupSimulationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static bool IsFull => Environment.GetEnvironmentVariable("MILLRACE_FULL") == "1";

    [Fact]
    public async Task S6_WhateverHappensToMembers_NoRecordIsSkipped_AndNoStaleCommitStands()
    {
        var seed = TestSeed.Next();
        for (var round = 0; round < (IsFull ? 2000 : 60); round++)
        {
            try
            {
                using var history = new History(seed + round);
                await history.RunAsync(IsFull ? 600 : 200);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                throw new InvalidOperationException($"The history of seed {seed + round} failed (MILLRACE_SEED={seed + round}): {exception.Message}", exception);
            }
        }
    }

    private sealed class History : IDisposable
    {
        private const int Partitions = 16;
        private const int Members = 4;

        private static readonly TimeSpan Session = TimeSpan.FromSeconds(10);

        private readonly Random _random;
        private readonly ManualTimeProvider _clock = new();
        private readonly StreamEnvironment _environment;
        private readonly InMemoryStateStore _state = new InMemoryStateStore();
        private readonly StreamCatalog _catalog;
        private readonly List<Member> _members = [];
        private readonly long[] _ends = new long[Partitions];

        // What was ever handed out and handled of each partition, and what its document was last seen to say.
        private readonly HashSet<long>[] _handled = [.. Enumerable.Range(0, Partitions).Select(_ => new HashSet<long>())];
        private readonly (long Epoch, long Offset)[] _seen = new (long, long)[Partitions];

        public History(int seed)
        {
            _random = new Random(seed);
            _catalog = new StreamCatalog(new InMemoryStreamStore(new MonotonicClock(_clock)), _state, _clock);
            var settings = new PipelineSettings(new MillraceClientOptions(), null, new MessageSerializers(), int.MaxValue, new MillraceTelemetry("memory", _clock));
            _environment = new StreamEnvironment(_catalog, settings, _clock, NullLogger.Instance, _ => { });
        }

        public void Dispose() => _state.Dispose();

        public async Task RunAsync(int steps)
        {
            await _catalog.CreateAsync("s", new StreamSettings { Partitions = Partitions }, Cancel);
            for (var i = 0; i < Members; i++)
            {
                _members.Add(NewMember());
            }

            for (var i = 0; i < steps; i++)
            {
                await StepAsync();
                await CheckAsync();
            }

            await FinishAsync();
        }

        private async Task StepAsync()
        {
            var member = _members[_random.Next(_members.Count)];
            switch (_random.Next(100))
            {
                case < 30:
                    await AppendAsync(_random.Next(Partitions), _random.Next(1, 5));
                    break;
                case < 60:
                    await member.ReadAsync(_random.Next(1, 20), HandleAsync);
                    break;
                case < 72:
                    await member.BeatAsync();
                    break;
                case < 80:
                    await member.CommitStaleAsync(_random, CommittedAsync);
                    break;
                case < 90:
                    _clock.Advance(TimeSpan.FromSeconds(_random.Next(1, 5)));
                    foreach (var other in _members.Where(other => other.IsAwake))
                    {
                        await other.BeatAsync();
                    }

                    break;
                case < 94:
                    member.IsAwake = !member.IsAwake;
                    break;
                case < 96:
                    // Killed: it never says goodbye, and never comes back.
                    _members[_members.IndexOf(member)] = NewMember();
                    break;
                case < 98:
                    await member.Consumer.DisposeAsync();
                    _members[_members.IndexOf(member)] = NewMember();
                    break;
                default:
                    // Everybody stands still beyond the session: whoever wakes first must not go on as if nothing had been.
                    _clock.Advance(Session * 2);
                    break;
            }
        }

        /// <summary>Everybody wakes; when all is read and shared, nothing may be missing.</summary>
        private async Task FinishAsync()
        {
            _members.ForEach(member => member.IsAwake = true);
            for (var i = 0; i < 40; i++)
            {
                _clock.Advance(Session / 3);
                foreach (var member in _members)
                {
                    await member.BeatAsync();
                    await member.ReadAsync(int.MaxValue, HandleAsync);
                }

                await CheckAsync();
            }

            for (var partition = 0; partition < Partitions; partition++)
            {
                Assert.Equal(_ends[partition], _handled[partition].Count);
                Assert.Equal(_ends[partition], _seen[partition].Offset);
            }

            Assert.All(_members, member => Assert.Equal(Partitions / Members, member.Consumer.Assignment.Count));
            Assert.Equal(Partitions, _members.SelectMany(member => member.Consumer.Assignment).Distinct().Count());
        }

        private async Task HandleAsync(StreamMessage<string> message)
        {
            // A member that can know better hands out nothing of an epoch that is over: it has looked within its session.
            Assert.Equal($"{message.Partition}/{message.Offset}", message.Value);
            _handled[message.Partition].Add(message.Offset);
            await Task.CompletedTask;
        }

        private async Task CommittedAsync(StreamMessage<string> message, bool accepted)
        {
            var document = StreamDocuments.ReadPartition((await _state.GetAsync(StreamKeys.OfPartition("s", "g", message.Partition), Cancel))!);
            if (document.Epoch != message.Epoch || document.Owner is null)
            {
                Assert.False(accepted, $"A commit under epoch {message.Epoch} of partition {message.Partition} was accepted; the epoch is {document.Epoch}.");
            }
        }

        /// <summary>Offsets never go back, epochs rise, and nothing is committed that nobody handled.</summary>
        private async Task CheckAsync()
        {
            for (var partition = 0; partition < Partitions; partition++)
            {
                if (await _state.GetAsync(StreamKeys.OfPartition("s", "g", partition), Cancel) is not { } found)
                {
                    continue;
                }

                var document = StreamDocuments.ReadPartition(found);
                var (epoch, offset) = _seen[partition];
                Assert.True(document.Epoch >= epoch, $"The epoch of partition {partition} fell from {epoch} to {document.Epoch}.");
                Assert.True(document.Offset >= offset, $"The offset of partition {partition} fell from {offset} to {document.Offset}.");
                for (var handled = offset; handled < document.Offset; handled++)
                {
                    Assert.True(_handled[partition].Contains(handled), $"Offset {handled} of partition {partition} is committed, and nobody has handled it.");
                }

                _seen[partition] = (document.Epoch, document.Offset);
            }
        }

        private async Task AppendAsync(int partition, int count)
        {
            var opened = await _catalog.OpenPartitionAsync("s", partition, Cancel);
            var records = Enumerable.Range(0, count)
                .Select(i => new StreamRecord { Body = Encoding.UTF8.GetBytes($"{partition}/{_ends[partition] + i}") }).ToArray();
            await opened.AppendAsync(new AppendRequest(records), Cancel);
            _ends[partition] += count;
        }

        private Member NewMember() => new(
            new StreamConsumer<string>(
                "s", new StreamConsumerOptions { Group = "g", SessionTimeout = Session, RunsByItself = false, AutoCommit = _random.Next(2) == 0 }, _environment));
    }

    /// <summary>One member with what its application holds in its hands.</summary>
    private sealed class Member(StreamConsumer<string> consumer)
    {
        private readonly List<StreamMessage<string>> _held = [];

        public StreamConsumer<string> Consumer { get; } = consumer;

        public bool IsAwake { get; set; } = true;

        public async Task BeatAsync()
        {
            if (Consumer.Member is { } member)
            {
                await member.StepAsync(Cancel);
            }
        }

        /// <summary>Reads, handles, and commits what it has handled.</summary>
        public async Task ReadAsync(int count, Func<StreamMessage<string>, Task> handle)
        {
            var messages = await Consumer.ReadAsync(count, TimeSpan.Zero, Cancel);
            foreach (var message in messages)
            {
                Assert.Contains(message.Partition, Consumer.Assignment);
                await handle(message);
                _held.Add(message);
            }

            await Consumer.CommitAsync(Cancel);
        }

        /// <summary>Commits something that it received some time ago.</summary>
        public async Task CommitStaleAsync(Random random, Func<StreamMessage<string>, bool, Task> committed)
        {
            if (_held.Count > 0)
            {
                var message = _held[random.Next(_held.Count)];
                await committed(message, (await Consumer.CommitAsync(message, Cancel)).IsComplete);
            }
        }
    }
}
