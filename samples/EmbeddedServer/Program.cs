// A server inside a program: it serves the program's own store, and whoever knows the address uses that like any backend.
//   dotnet run --project samples/EmbeddedServer
using Millrace.Client;
using Millrace.Server;

await using var store = await MillraceClient.OpenAsync("memory:");
var options = new MillraceServerOptions { Urls = { [0] = "http://127.0.0.1:0" }, Instances = { ["default"] = store } };
await using var server = await MillraceServer.StartAsync(options);

await using var mill = await MillraceClient.OpenAsync(server.Addresses[0]); // another process, elsewhere
using var done = new CancellationTokenSource();
var worker = mill.Worker<string>("greetings", async (greeting, _, _) =>
{
    Console.WriteLine(greeting);
    await done.CancelAsync();
});

await mill.Queue<string>("greetings").SendAsync("hello over HTTP");
await worker.RunAsync(done.Token);
await server.StopAsync();
