using Millrace.Storage;

namespace Millrace.Tests.Testing;

/// <summary>A stream store that passes everything on, but for how its partitions are spoilt.</summary>
internal sealed class ForwardingStreamStore(Backend memory, Func<IStreamPartition, IStreamPartition> change, Func<StreamPartitionContext, StreamPartitionContext>? open = null) : IStreamStore
{
    public StreamCapabilities Capabilities { get; } = memory.Streams!.Capabilities with { Backend = "broken" };

    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) =>
        change(await memory.Streams!.OpenPartitionAsync(open is null ? context : open(context), cancellationToken));

    public ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) =>
        memory.Streams!.DeletePartitionAsync(context, cancellationToken);

    public ValueTask DisposeAsync() => memory.DisposeAsync();
}

/// <summary>A partition that passes everything on; its heirs spoil one thing each.</summary>
internal class ForwardingPartition(IStreamPartition inner) : IStreamPartition
{
    protected IStreamPartition Inner => inner;

    public virtual ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default) => inner.AppendAsync(request, cancellationToken);

    public virtual ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(offset, maxRecords, maxBytes, cancellationToken);

    public virtual ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default) => inner.WaitForAsync(offset, cancellationToken);

    public virtual ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) => inner.FindOffsetAsync(timestamp, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);

    public ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default) => inner.TrimAsync(beforeOffset, cancellationToken);

    public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) => inner.GetStatsAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}

/// <summary>Nothing is broken here: what the suite finds in the others does not come from the wrapping.</summary>
internal class SoundStreams : BrokenFixture
{
    protected override object Break(Backend memory) => new ForwardingStreamStore(memory, Change, Open);

    protected virtual IStreamPartition Change(IStreamPartition inner) => new ForwardingPartition(inner);

    protected virtual StreamPartitionContext Open(StreamPartitionContext context) => context;
}

/// <summary>S1: stores an append one record at a time, and lets another one come between if there is any.</summary>
internal sealed class AppendsPiecemeal : SoundStreams
{
    private readonly Between _between = new();

    protected override IStreamPartition Change(IStreamPartition inner) => new Partition(inner, _between);

    /// <summary>Whether one append has come between the records of another, which the threads of a busy machine need not do by themselves.</summary>
    private sealed class Between
    {
        private const int MaxTries = 200;

        private int _stored;
        private volatile bool _hasHappened;

        public int Stored() => Interlocked.Increment(ref _stored);

        public async Task WaitAsync(int stored, CancellationToken cancellationToken)
        {
            for (var i = 0; i < MaxTries && !_hasHappened; i++)
            {
                _hasHappened |= Volatile.Read(ref _stored) != stored;
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, cancellationToken);
            }
        }
    }

    private sealed class Partition(IStreamPartition inner, Between between) : ForwardingPartition(inner)
    {
        public override async ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
        {
            AppendResult? first = null;
            for (var i = 0; i < request.Records.Length; i++)
            {
                var one = request with { Records = request.Records.Slice(i, 1), FirstSequence = request.FirstSequence + i };
                var result = await Inner.AppendAsync(one, cancellationToken);
                first ??= result;
                var stored = between.Stored();
                await Task.Yield();
                if (i < request.Records.Length - 1)
                {
                    await between.WaitAsync(stored, cancellationToken);
                }
            }

            return first ?? await Inner.AppendAsync(request, cancellationToken);
        }
    }
}

/// <summary>S2: keeps timestamps to the millisecond.</summary>
internal sealed class RoundsTimestamps : SoundStreams
{
    protected override IStreamPartition Change(IStreamPartition inner) => new Partition(inner);

    private sealed class Partition(IStreamPartition inner) : ForwardingPartition(inner)
    {
        public override ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
        {
            var rounded = Array.ConvertAll(
                request.Records.ToArray(), record => record with { Timestamp = record.Timestamp.AddTicks(-(record.Timestamp.Ticks % TimeSpan.TicksPerMillisecond)) });
            return Inner.AppendAsync(request with { Records = rounded }, cancellationToken);
        }
    }
}

/// <summary>S3: takes no notice of how many partitions a stream has.</summary>
internal sealed class IgnoresPartitionCounts : SoundStreams
{
    protected override StreamPartitionContext Open(StreamPartitionContext context)
    {
        context.Validate();
        return context with { PartitionCount = StreamPartitionContext.MaxPartitions };
    }
}

/// <summary>S4: a wait looks once.</summary>
internal sealed class DoesNotWait : SoundStreams
{
    protected override IStreamPartition Change(IStreamPartition inner) => new Partition(inner);

    private sealed class Partition(IStreamPartition inner) : ForwardingPartition(inner)
    {
        public override ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default) => default;
    }
}

/// <summary>S5: reads on from the start when what was wanted is gone.</summary>
internal sealed class SkipsWhatIsGone : SoundStreams
{
    protected override IStreamPartition Change(IStreamPartition inner) => new Partition(inner);

    private sealed class Partition(IStreamPartition inner) : ForwardingPartition(inner)
    {
        public override async ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
        {
            try
            {
                return await Inner.ReadAsync(offset, maxRecords, maxBytes, cancellationToken);
            }
            catch (OffsetOutOfRangeException gone)
            {
                return await Inner.ReadAsync(gone.Earliest, maxRecords, maxBytes, cancellationToken);
            }
        }
    }
}

/// <summary>S5: searches as if timestamps always rose.</summary>
internal sealed class SearchesByHalves : SoundStreams
{
    protected override IStreamPartition Change(IStreamPartition inner) => new Partition(inner);

    private sealed class Partition(IStreamPartition inner) : ForwardingPartition(inner)
    {
        public override async ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default)
        {
            var stats = await Inner.GetStatsAsync(cancellationToken);
            var (low, high) = (stats.EarliestOffset, stats.EndOffset);
            while (low < high)
            {
                var middle = low + ((high - low) / 2);
                using var page = await Inner.ReadAsync(middle, 1, 1, cancellationToken);
                (low, high) = page.Records.Span[0].Timestamp >= timestamp ? (low, middle) : (middle + 1, high);
            }

            return low;
        }
    }
}

/// <summary>S5: keeps a record less than it was told to.</summary>
internal sealed class KeepsOneTooFew : SoundStreams
{
    protected override StreamPartitionContext Open(StreamPartitionContext context) =>
        context.Retention.MaxRecords > 1 ? context with { Retention = context.Retention with { MaxRecords = context.Retention.MaxRecords - 1 } } : context;
}

/// <summary>S5: keeps everything.</summary>
internal sealed class KeepsEverything : SoundStreams
{
    protected override StreamPartitionContext Open(StreamPartitionContext context) => context with { Retention = StreamRetention.Forever };
}

/// <summary>S8: knows no producers.</summary>
internal sealed class ForgetsProducers : SoundStreams
{
    protected override IStreamPartition Change(IStreamPartition inner) => new Partition(inner);

    private sealed class Partition(IStreamPartition inner) : ForwardingPartition(inner)
    {
        public override ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default) =>
            Inner.AppendAsync(new AppendRequest(request.Records), cancellationToken);
    }
}
