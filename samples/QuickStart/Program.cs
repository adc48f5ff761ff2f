using Millrace.Client;

await using var mill = await MillraceClient.OpenAsync(args is [var url] ? url : "file:./orders");
using var done = new CancellationTokenSource();

var worker = mill.Worker<Order>("orders", async (order, context, cancellationToken) =>
{
    Console.WriteLine($"{order.Number}: {order.Quantity} pieces, attempt {context.Attempt}");
    await done.CancelAsync(); // a real worker goes on until Ctrl+C
});

await mill.Queue<Order>("orders").SendAsync(new Order("A-1", 3));
await worker.RunAsync(done.Token);

internal sealed record Order(string Number, int Quantity);
