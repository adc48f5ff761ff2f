using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Pipeline;
using Millrace.Serialization;
using Millrace.Storage;
using Millrace.Streams;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Streams;

/// <summary>One history of a <see cref="GroupSimulation"/>: 4 members over 16 partitions, and what must hold after each step.</summary>
/// <param name="seed">Decides everything.</param>
/// <param name="open">Opens the store.</param>
/// <param name="crash">Lets it die; null where it cannot be opened again.</param>
/// <param name="counts">What is counted over all histories.</param>
internal sealed class GroupHistory(int seed, Func<TimeProvider, ValueTask<Backend>> open, Func<Backend, ValueTask>? crash, GroupCounts counts) : IAsyncDisposable
{
    private const int Partitions = 16;
    private const int Members = 4;

    private static readonly TimeSpan Session = TimeSpan.FromSeconds(10);

    private readonly Random _random = new(seed);
    private readonly ManualTimeProvider _clock = new();
    private readonly List<Member> _members = [];
    private readonly long[] _ends = new long[Partitions];

    // What was ever handed out and handled of each partition, and what its document was last seen to say.
    private readonly HashSet<long>[] _handled = [.. Enumerable.Range(0, Partitions).Select(_ => new HashSet<long>())];
    private readonly (long Epoch, long Offset)[] _seen = new (long, long)[Partitions];
    private Backend? _backend;
    private StreamEnvironment _environment = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private StreamCatalog Catalog => _environment.Catalog;

    public async ValueTask DisposeAsync()
    {
        if (_backend is not null)
        {
            await _backend.DisposeAsync();
        }
    }

    public async Task RunAsync(int steps)
    {
        await OpenAsync();
        await Catalog.CreateAsync("s", new StreamSettings { Partitions = Partitions }, Cancel);
        _members.AddRange(Enumerable.Range(0, Members).Select(_ => NewMember()));
        for (var i = 0; i < steps; i++)
        {
            await StepAsync();
            await CheckAsync();
        }

        await FinishAsync();
    }

    private async Task OpenAsync()
    {
        _backend = await open(_clock);
        var settings = new PipelineSettings(new MillraceClientOptions(), null, new MessageSerializers(), int.MaxValue, new MillraceTelemetry(_backend.Name, _clock));
        var catalog = new StreamCatalog(_backend.Streams!, _backend.State!, _clock);
        _environment = new StreamEnvironment(catalog, settings, _clock, NullLogger.Instance, _ => { });
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
                await member.CommitLateAsync(_random, CommittedAsync);
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
            case 98 when crash is not null:
                await crash(_backend!);
                counts.Crashes++;
                await OpenAsync();
                _members.Clear();
                _members.AddRange(Enumerable.Range(0, Members).Select(_ => NewMember()));
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
        for (var i = 0; i < 40 && !IsSettled; i++)
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

    /// <summary>Whether everything is handled and committed, and everybody has a fair share.</summary>
    private bool IsSettled =>
        Enumerable.Range(0, Partitions).All(partition => _seen[partition].Offset == _ends[partition]) && _members.All(member => member.Consumer.Assignment.Count == Partitions / Members);

    private async Task HandleAsync(StreamMessage<string> message)
    {
        // A member hands out nothing of an epoch that is over: it has looked within its session, or looks before.
        Assert.Equal($"{message.Partition}/{message.Offset}", message.Value);
        Assert.Equal((await DocumentAsync(message.Partition))!.Epoch, message.Epoch);
        _handled[message.Partition].Add(message.Offset);
        counts.Handled++;
    }

    private async Task CommittedAsync(StreamMessage<string> message, bool isAccepted)
    {
        var document = (await DocumentAsync(message.Partition))!;
        if (document.Epoch != message.Epoch || document.Owner is null)
        {
            Assert.False(isAccepted, $"A commit under epoch {message.Epoch} of partition {message.Partition} was accepted; the epoch is {document.Epoch}.");
            counts.Refused++;
        }
        else if (isAccepted)
        {
            Assert.True(document.Offset > message.Offset, $"Offset {message.Offset} of partition {message.Partition} was committed, and the group stands at {document.Offset}.");
            counts.Accepted++;
        }
    }

    /// <summary>Offsets never go back, epochs rise, and nothing is committed that nobody handled.</summary>
    private async Task CheckAsync()
    {
        var page = await _backend!.State!.ListAsync(StreamKeys.OfPartitions("s", "g"), limit: 1000, cancellationToken: Cancel);
        var documents = page.Documents.Where(document => StreamKeys.IsPartition(document.Key)).Select(StreamDocuments.ReadPartition).ToDictionary(document => document.Partition);
        for (var partition = 0; partition < Partitions; partition++)
        {
            var (epoch, offset) = _seen[partition];
            if (!documents.TryGetValue(partition, out var document))
            {
                Assert.Equal(0, epoch);
                continue;
            }

            Assert.True(document.Epoch >= epoch, $"The epoch of partition {partition} fell from {epoch} to {document.Epoch}.");
            Assert.True(document.Offset >= offset, $"The offset of partition {partition} fell from {offset} to {document.Offset}.");
            for (var handled = offset; handled < document.Offset; handled++)
            {
                Assert.True(_handled[partition].Contains(handled), $"Offset {handled} of partition {partition} is committed, and nobody has handled it.");
            }

            _seen[partition] = (document.Epoch, document.Offset);
        }
    }

    private async Task<GroupPartitionDocument?> DocumentAsync(int partition) =>
        await _backend!.State!.GetAsync(StreamKeys.OfPartition("s", "g", partition), Cancel) is { } found ? StreamDocuments.ReadPartition(found) : null;

    private async Task AppendAsync(int partition, int count)
    {
        var opened = await Catalog.OpenPartitionAsync("s", partition, Cancel);
        var records = Enumerable.Range(0, count)
            .Select(i => new StreamRecord { Body = Encoding.UTF8.GetBytes($"{partition}/{_ends[partition] + i}") }).ToArray();
        await opened.AppendAsync(new AppendRequest(records), Cancel);
        _ends[partition] += count;
    }

    private Member NewMember() => new(
        new StreamConsumer<string>(
            "s", new StreamConsumerOptions { Group = "g", SessionTimeout = Session, RunsByItself = false, AutoCommit = _random.Next(2) == 0 }, _environment));

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
        public async Task CommitLateAsync(Random random, Func<StreamMessage<string>, bool, Task> committed)
        {
            if (_held.Count > 0)
            {
                var message = _held[random.Next(_held.Count)];
                await committed(message, (await Consumer.CommitAsync(message, Cancel)).IsComplete);
            }
        }
    }
}
