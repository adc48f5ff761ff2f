using System.Buffers.Text;
using System.Text;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.State;

/// <summary>Small documents in Redis with compare-and-swap (laws V1–V3), all in one slot of a Cluster.</summary>
internal sealed class RedisStateStore : IStateStore, IAsyncDisposable
{
    private const int MaxPage = 1000;

    // Stands in no text of UTF-8, and after every byte that does.
    private const byte AfterEverything = 0xff;

    private static readonly RedisScript Put = RedisScript.Load("State/shared.lua", "State/put.lua");
    private static readonly RedisScript Delete = RedisScript.Load("State/shared.lua", "State/delete.lua");
    private static readonly RedisScript List = RedisScript.Load("State/shared.lua", "State/list.lua");

    private readonly IRedisExecutor _executor;
    private readonly ReplicatedWrites _writes;
    private readonly StateChanges _changes;
    private readonly string _documents;
    private readonly string _keys;
    private readonly string _revision;
    private readonly string _channel;
    private readonly string _publish;

    public RedisStateStore(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys)
    {
        var prefix = keys.Single("state");
        (_executor, _writes) = (executor, writes);
        (_documents, _keys, _revision, _channel) = (prefix + "documents", prefix + "keys", prefix + "revision", prefix + "changed");
        _publish = executor.IsCluster ? "SPUBLISH" : "PUBLISH";
        _changes = new StateChanges(executor, _channel, ReadRevisionAsync);
    }

    public async ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireStateKey(key);
        var reply = await _executor.ExecuteAsync(RedisCommand.Create("HGET").AddKey(_documents).Add(key).MayRepeat(), cancellationToken).ConfigureAwait(false);
        return reply.IsNull ? null : ToDocument(key, reply.Bytes);
    }

    public async ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireStateKey(key);
        if (value.Length > IStateStore.MaxValueBytes)
        {
            throw new InvalidMessageException($"The value of state '{key}' has {value.Length:N0} bytes, the limit is {IStateStore.MaxValueBytes:N0}.");
        }

        var call = Begin(Put, key, expectedVersion).Add(value.Span);
        return ToResult(await _writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false));
    }

    public async ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireStateKey(key);
        return ToResult(await _writes.ExecuteAsync(Begin(Delete, key, expectedVersion), cancellationToken).ConfigureAwait(false));
    }

    public async ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MaxPage);
        var call = List.Call(_documents, _keys, _revision).Add(StartOf(prefix, after)).Add(EndOf(prefix)).Add(limit).MayRepeat();
        var reply = await _executor.ExecuteAsync(call, cancellationToken).ConfigureAwait(false);
        var keys = reply.Items[1].Items;
        var documents = new StateDocument[keys.Length];
        for (var i = 0; i < documents.Length; i++)
        {
            documents[i] = ToDocument(keys[i].ToText()!, reply.Items[2].Items[i].Bytes);
        }

        return new StatePage(documents, reply.Items[0].ToInteger());
    }

    public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        return _changes.WaitAsync(prefix, revision, cancellationToken);
    }

    public ValueTask DisposeAsync() => _changes.DisposeAsync();

    private static byte[] StartOf(string prefix, string? after)
    {
        var first = Encoding.UTF8.GetBytes(prefix);
        var last = Encoding.UTF8.GetBytes(after ?? "");
        return after is not null && last.AsSpan().SequenceCompareTo(first) >= 0 ? [(byte)'(', .. last] : [(byte)'[', .. first];
    }

    private static byte[] EndOf(string prefix) => prefix.Length == 0 ? [(byte)'+'] : [(byte)'(', .. Encoding.UTF8.GetBytes(prefix), AfterEverything];

    private static StateWriteResult ToResult(RedisReply reply) => new(reply.Items[0].ToInteger() == 1, reply.Items[1].ToInteger());

    private static StateDocument ToDocument(string key, ReadOnlyMemory<byte> stored) =>
        Utf8Parser.TryParse(stored.Span, out long version, out var digits) && digits < stored.Length && stored.Span[digits] == (byte)':'
            ? new StateDocument(key, stored[(digits + 1)..], version)
            : throw new StorageCorruptException($"The state document '{key}' in Redis does not begin with its version: something else has written it.");

    private RedisCommand Begin(RedisScript script, string key, long? expectedVersion)
    {
        var call = script.Call(_documents, _keys, _revision).Add(key);
        call = expectedVersion is { } version ? call.Add(version) : call.Add("");
        return call.Add(_publish).Add(_channel);
    }

    private async ValueTask<long> ReadRevisionAsync(CancellationToken cancellationToken)
    {
        var reply = await _executor.ExecuteAsync(RedisCommand.Create("GET").AddKey(_revision).MayRepeat(), cancellationToken).ConfigureAwait(false);
        return reply.IsNull ? 0 : reply.ToInteger();
    }
}
