using Millrace.Bench.Server;

namespace Millrace.Bench.Stomp;

/// <summary>The broker whose figures the area is about: ours, or the one that <c>--target</c> names.</summary>
internal static class MeasuredBroker
{
    /// <summary>Starts <c>millrace serve</c> over a store, unless there is a target.</summary>
    public static async Task<StompBroker> StartAsync(BenchContext context, string storeUrl, params string[] options)
    {
        if (context.Target is { } target)
        {
            return new StompBroker(target.ToString(), target, null, null);
        }

        var server = await ServerProcess.StartAsync(storeUrl, ["--stomp", "stomp://127.0.0.1:0", .. options], context.CancellationToken);
        try
        {
            var address = server.AddressOf("stomp");
            var endpoint = StompEndpoint.TryParse(address)
                ?? throw new StompFailureException($"The server says that it listens on '{address}', which is no address of STOMP.");
            return new StompBroker("Millrace", endpoint, server.Id, server);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }
}
