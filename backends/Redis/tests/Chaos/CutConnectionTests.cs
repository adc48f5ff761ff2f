using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Redis.Tests.Client;
using Millrace.Redis.Tests.Proxies;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Connections that are cut at any byte, in either direction: nobody gets another's reply, and what was acknowledged is there.</summary>
public sealed class CutConnectionTests
{
    // The introduction of a client takes some hundred bytes; a connection that never stands would make every error the same.
    private const int FewestBytes = 400;
    private const int MostBytes = 60_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static int Cuts => TestScale.IsFull ? 2000 : 100;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Replies_OfConnectionsThatAreCut_ReachTheirOwnCallersOrNobody(bool mayRepeat)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var proxy = new CuttingProxy(server.Port, FewestBytes, MostBytes, TestScale.Seed());
        await using var client = await OpenAsync(() => RedisClients.OpenAsync($"redis://{proxy.EndPoint}?timeoutMs=60000", Cancellation));
        var (faults, answered) = (new FaultLog(), 0);
        await Task.WhenAll(Enumerable.Range(0, 64).Select(caller => Task.Run(
            async () =>
            {
                for (var i = 0; proxy.Cuts < Cuts; i++)
                {
                    // Of different lengths, so that a cut is never at the same place of a reply.
                    var text = string.Create(CultureInfo.InvariantCulture, $"{caller}/{i}/{new string('x', i % 97)}");
                    var command = RedisCommand.Create("ECHO").Add(text);
                    try
                    {
                        Assert.Equal(text, (await client.ExecuteAsync(mayRepeat ? command.MayRepeat() : command, Cancellation)).ToText());
                        Interlocked.Increment(ref answered);
                    }
                    catch (BackendUnavailableException fault)
                    {
                        faults.Add("ECHO", fault);
                    }
                }
            },
            Cancellation)));

        TestContext.Current.TestOutputHelper?.WriteLine($"{proxy.Cuts} cuts, {answered} answered, {faults}");
        Assert.True(answered > Cuts);

        // What may be repeated is repeated, as long as there is time.
        Assert.True(mayRepeat ? faults.UnknownFates == 0 : faults.UnknownFates > 0);
    }

    [Fact]
    public async Task Queue_OverConnectionsThatAreCut_LosesNothingAcknowledged()
    {
        var seed = TestScale.Seed();
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var proxy = new CuttingProxy(server.Port, FewestBytes, MostBytes, seed);
        await using var backend = await OpenAsync(() => RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{proxy.EndPoint}?timeoutMs=2000"), new BackendContext(), Cancellation));
        var run = new ChaosRun(backend, seed);
        await run.RunAsync(async () =>
        {
            while (proxy.Cuts < Cuts)
            {
                await run.WaitForMoreAsync(20);
            }

            proxy.CalmDown();
            await run.WaitForMoreAsync(100);
        });

        await run.FinishAsync(mayLose: false);
        TestContext.Current.TestOutputHelper?.WriteLine($"{proxy.Cuts} cuts");
        Assert.True(run.Queue.Faults.HasAny);
    }

    // The first connection may be cut before it stands.
    private static async Task<T> OpenAsync<T>(Func<ValueTask<T>> open)
    {
        while (true)
        {
            try
            {
                return await open();
            }
            catch (BackendUnavailableException)
            {
                // The next one, which is cut elsewhere.
            }
        }
    }
}
