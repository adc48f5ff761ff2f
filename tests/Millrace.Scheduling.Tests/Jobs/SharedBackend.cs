using Millrace.Client;
using Millrace.Scheduling.Jobs;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>One backend in memory for several clients, as several processes share a server. Clients of it do not close it.</summary>
internal sealed class SharedBackend
{
    private readonly Task<Backend> _inner = BackendRegistry.CreateDefault().OpenAsync("memory:", new BackendContext(), TestContext.Current.CancellationToken).AsTask();

    /// <summary>A client of it. With a life, it can die at a write.</summary>
    public async Task<MillraceClient> OpenAsync(Action<MillraceClientOptions> configure, MortalLife? life = null)
    {
        var inner = await _inner;
        var registry = new BackendRegistry();
        life ??= new MortalLife();
        registry.Add("shared", (_, _) => Backend.Of("shared", new MortalQueues(inner.Queues!, life), new MortalState(inner.State!, life), new MortalStreams(inner.Streams!, life), new KeptLocks(inner.Locks!)));
        return await MillraceClient.OpenAsync(
            "shared:",
            options =>
            {
                options.Backends = registry;
                configure(options);
            },
            TestContext.Current.CancellationToken);
    }

    public async Task<IQueueAdmin> AdminAsync() => (await _inner).Require<IQueueAdmin>();

    public async Task<IStateStore> StateAsync() => (await _inner).State!;

    /// <summary>Creates the queue of jobs, which a client without administration cannot.</summary>
    public async Task CreateQueueAsync() => await (await AdminAsync()).CreateQueueAsync("jobs", JobQueues.Settings, TestContext.Current.CancellationToken);
}

/// <summary>A process that can die at a write: nothing that it asks of its stores is answered after that, and what it has leased goes back.</summary>
internal sealed class MortalLife
{
    private readonly Lock _gate = new();
    private readonly List<IAsyncDisposable> _receivers = [];
    private readonly TaskCompletionSource _died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _left = -1;
    private bool _applies;

    public Task Died => _died.Task;

    public int Writes { get; private set; }

    /// <summary>Dies at the write of this number from now on, before or after it is applied.</summary>
    public void DieAt(int write, bool applied)
    {
        lock (_gate)
        {
            (_left, _applies, Writes) = (write, applied, 0);
        }
    }

    public void Add(IAsyncDisposable receiver)
    {
        lock (_gate)
        {
            _receivers.Add(receiver);
        }
    }

    public async ValueTask<T> WriteAsync<T>(Func<ValueTask<T>> write)
    {
        bool dies;
        lock (_gate)
        {
            Writes++;
            dies = _left > 0 && --_left == 0;
        }

        await HangIfDeadAsync();
        if (!dies)
        {
            return await AnswerAsync(write);
        }

        if (_applies)
        {
            await write();
        }

        _died.TrySetResult();
        foreach (var receiver in _receivers.ToArray())
        {
            await receiver.DisposeAsync();
        }

        await HangIfDeadAsync();
        throw new InvalidOperationException("Dead.");
    }

    public async ValueTask<T> AnswerAsync<T>(Func<ValueTask<T>> call)
    {
        await HangIfDeadAsync();
        var answer = await call();
        await HangIfDeadAsync();
        return answer;
    }

    private Task HangIfDeadAsync() => _died.Task.IsCompleted ? new TaskCompletionSource().Task : Task.CompletedTask;
}

internal sealed class MortalQueues(IQueueStore inner, MortalLife life) : IQueueStore
{
    public QueueCapabilities Capabilities => inner.Capabilities;

    public async ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default) =>
        await life.WriteAsync(async () =>
        {
            await inner.EnqueueAsync(queue, batch, results, cancellationToken);
            return 0;
        });

    public async ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default)
    {
        var receiver = await inner.OpenReceiverAsync(queue, options, cancellationToken);
        life.Add(receiver);
        return receiver;
    }

    public async ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default) =>
        await life.WriteAsync(async () =>
        {
            await inner.SettleAsync(queue, batch, results, cancellationToken);
            return 0;
        });

    public ValueTask DisposeAsync() => default;
}

internal sealed class MortalState(IStateStore inner, MortalLife life) : IStateStore
{
    public ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default) => life.AnswerAsync(() => inner.GetAsync(key, cancellationToken));

    public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default) =>
        life.WriteAsync(() => inner.PutAsync(key, value, expectedVersion, cancellationToken));

    public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default) =>
        life.WriteAsync(() => inner.DeleteAsync(key, expectedVersion, cancellationToken));

    public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        life.AnswerAsync(() => inner.ListAsync(prefix, after, limit, cancellationToken));

    public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default) =>
        life.AnswerAsync(() => inner.WaitForChangeAsync(prefix, revision, cancellationToken));
}

internal sealed class MortalStreams(IStreamStore inner, MortalLife life) : IStreamStore
{
    public StreamCapabilities Capabilities => inner.Capabilities;

    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) =>
        new MortalPartition(await inner.OpenPartitionAsync(context, cancellationToken), life);

    public ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) => inner.DeletePartitionAsync(context, cancellationToken);

    public ValueTask DisposeAsync() => default;

    private sealed class MortalPartition(IStreamPartition partition, MortalLife life) : IStreamPartition
    {
        public ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default) =>
            life.WriteAsync(() => partition.AppendAsync(request, cancellationToken));

        public ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default) =>
            partition.ReadAsync(offset, maxRecords, maxBytes, cancellationToken);

        public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default) => partition.WaitForAsync(offset, cancellationToken);

        public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) => partition.FindOffsetAsync(timestamp, cancellationToken);

        public ValueTask FlushAsync(CancellationToken cancellationToken = default) => partition.FlushAsync(cancellationToken);

        public ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default) => partition.TrimAsync(beforeOffset, cancellationToken);

        public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) => partition.GetStatsAsync(cancellationToken);

        public ValueTask DisposeAsync() => partition.DisposeAsync();
    }
}

/// <summary>Locks that a client does not close.</summary>
internal sealed class KeptLocks(ILockStore inner) : ILockStore
{
    public ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default) =>
        inner.TryAcquireAsync(name, owner, leaseDuration, cancellationToken);

    public ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default) =>
        inner.RenewAsync(name, owner, fencingToken, leaseDuration, cancellationToken);

    public ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default) =>
        inner.ReleaseAsync(name, owner, fencingToken, cancellationToken);

    public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default) => inner.InspectAsync(name, cancellationToken);

    public ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default) => inner.WaitForReleaseAsync(name, cancellationToken);
}
