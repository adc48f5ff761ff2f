using System.Collections.Concurrent;
using System.Text.Json;
using Millrace;
using Millrace.Client;
using Millrace.Storage;

namespace StompPage;

/// <summary>Prices that move, published to <c>prices.{symbol}</c> four times a second, and orders that are filled at them.</summary>
internal sealed class Market(MillraceClient store, TimeProvider timeProvider)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly IChannelTransport _channels = store.Require<IChannelTransport>();
    private readonly ConcurrentDictionary<string, decimal> _prices = new()
    {
        ["FLOUR"] = 42.00m, ["GRIST"] = 18.50m, ["SLUICE"] = 311.25m, ["WHEEL"] = 96.80m,
    };

    public async Task RunAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(Interval, timeProvider);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping))
            {
                foreach (var symbol in _prices.Keys)
                {
                    var step = Math.Round(_prices[symbol] * (decimal)(Random.Shared.NextDouble() - 0.5) / 100, 2);
                    var price = _prices[symbol] += step;
                    await PublishAsync($"prices.{symbol}", new { symbol, price, step }, stopping);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The sample ends.
        }
    }

    /// <summary>Handles an order. What nobody could buy is no order: its attempt fails, and it becomes a dead letter in the end.</summary>
    public async Task FillAsync(Order order, CancellationToken cancellationToken)
    {
        if (order.Pieces < 1 || !_prices.TryGetValue(order.Symbol, out var price))
        {
            throw new ArgumentException($"There is no way to buy {order.Pieces} pieces of '{order.Symbol}'.", nameof(order));
        }

        await PublishAsync($"fills.{order.Page}", new { order.Id, order.Symbol, order.Pieces, price, total = price * order.Pieces }, cancellationToken);
        Console.WriteLine($"Filled order {order.Id}: {order.Pieces} × {order.Symbol} at {price}");
    }

    private async Task PublishAsync<T>(string topic, T what, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(what, JsonSerializerOptions.Web);
        await _channels.PublishAsync(topic, new Envelope { Body = body, ContentType = "application/json" }, cancellationToken);
    }
}
