using System.Globalization;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Moves slots of a Cluster from node to node key by key, as <c>redis-cli --cluster reshard</c> does, but slowly: most of the time some slot is half here and half there.</summary>
internal sealed class SlotMover(LocalRedisCluster cluster)
{
    private const string KeysAtOnce = "1";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Moves a slot to the next of the primaries.</summary>
    public async Task MoveAsync(int number)
    {
        var slot = number.ToString(CultureInfo.InvariantCulture);
        var primaries = await FindPrimariesAsync();
        var index = primaries.FindIndex(primary => primary.Slots.Exists(range => number >= range.First && number <= range.Last));
        var (source, target) = (primaries[index], primaries[(index + 1) % primaries.Count]);
        await target.Server.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "IMPORTING", source.Id], Cancellation);
        await source.Server.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "MIGRATING", target.Id], Cancellation);
        while (await source.Server.ExecuteAsync(["CLUSTER", "GETKEYSINSLOT", slot, KeysAtOnce], Cancellation) is { Length: > 0 } keys)
        {
            var answer = await source.Server.ExecuteAsync(
                ["MIGRATE", LocalRedis.Host, target.Server.Port.ToString(CultureInfo.InvariantCulture), "", "0", "5000", "KEYS", .. keys.Split('\n')], Cancellation);
            Assert.True(answer is "OK" or "NOKEY", answer);
        }

        await target.Server.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "NODE", target.Id], Cancellation);
        await source.Server.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "NODE", target.Id], Cancellation);
        foreach (var other in primaries.Where(other => other != source && other != target))
        {
            await other.Server.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "NODE", target.Id], Cancellation);
        }
    }

    /// <summary>The primary that serves a slot.</summary>
    public async Task<LocalRedis> FindPrimaryAsync(int slot) =>
        (await FindPrimariesAsync()).Single(primary => primary.Slots.Exists(range => slot >= range.First && slot <= range.Last)).Server;

    // ID HOST:PORT@BUS FLAGS PRIMARY PING PONG EPOCH STATE SLOT-SLOT …
    private async Task<List<Primary>> FindPrimariesAsync()
    {
        var nodes = await cluster.Servers.First(server => server.IsRunning).ExecuteAsync(["CLUSTER", "NODES"], Cancellation);
        return [.. nodes.Split('\n').Select(line => line.Split(' ')).Where(words => words.Length > 8 && words[2].Contains("master", StringComparison.Ordinal) && words[2] is not "master,fail").Select(Read)];
    }

    private Primary Read(string[] words)
    {
        var server = cluster.Servers.Single(server => words[1].StartsWith(server.EndPoint + "@", StringComparison.Ordinal));

        // Slots that are on their way stand in brackets.
        return new Primary(words[0], server, [.. words[8..].Where(word => !word.StartsWith('[')).Select(word => ReadRange(word.Split('-')))]);
    }

    private static (int First, int Last) ReadRange(string[] ends) => (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture));

    private sealed record Primary(string Id, LocalRedis Server, List<(int First, int Last)> Slots);
}
