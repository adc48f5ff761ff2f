// A page in a browser that speaks STOMP: live prices come from a topic, orders go into a queue, and what a worker has made of them comes back by another topic.
//   cd samples/StompPage && npm ci     once: fetches stompjs
//   dotnet run --project samples/StompPage
using Microsoft.Extensions.FileProviders;
using Millrace.Client;
using Millrace.Server;
using Millrace.Server.Security;
using StompPage;

// The page has an origin of its own, as one beside a broker would. It comes first, so that the broker can be told of it.
var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ApplicationName = "StompPage", ContentRootPath = Directory.GetCurrentDirectory() });
if (string.IsNullOrEmpty(builder.Configuration["urls"]))
{
    builder.WebHost.UseUrls("http://127.0.0.1:8080");
}

var library = Path.Combine(builder.Environment.ContentRootPath, "node_modules", "@stomp", "stompjs", "bundles");
if (!Directory.Exists(library))
{
    Console.Error.WriteLine(
        $"stompjs is not there: run 'npm ci' in {builder.Environment.ContentRootPath}. If that is not the sample's folder, start it with 'dotnet run --project samples/StompPage'.");
    return 1;
}

builder.Services.AddSingleton(TimeProvider.System);
await using var page = builder.Build();
var broker = "";
page.UseDefaultFiles();
page.UseStaticFiles();
page.UseStaticFiles(new StaticFileOptions { FileProvider = new PhysicalFileProvider(library), RequestPath = "/lib" });
page.MapGet("/broker", () => broker);
await page.StartAsync();

await using var store = await MillraceClient.OpenAsync("memory:");
var options = new MillraceServerOptions
{
    Urls = { [0] = "http://127.0.0.1:0" },
    Instances = { ["default"] = store },
    Stomp = new StompServerOptions { Urls = { [0] = "stomp://127.0.0.1:0" } },
    Security = new SecurityOptions { CorsOrigins = [.. page.Urls] },
};
await using var server = await MillraceServer.StartAsync(options);
broker = $"{server.Addresses[0].Replace("http:", "ws:", StringComparison.Ordinal).TrimEnd('/')}/stomp";

var market = new Market(store, page.Services.GetRequiredService<TimeProvider>());
await using var orders = store.Worker<Order>("orders", (order, _, cancellationToken) => market.FillAsync(order, cancellationToken));
await orders.StartAsync();
Console.WriteLine($"The page is at {page.Urls.First()}, its broker at {broker} and {server.Addresses[1]}. Ctrl-C ends them.");
await market.RunAsync(page.Lifetime.ApplicationStopping);
await orders.StopAsync();
await server.StopAsync();
return 0;
