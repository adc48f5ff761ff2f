using System.Text;
using CustomBackend;
using Millrace.Storage;

var registry = BackendRegistry.CreateDefault();
registry.Add("simple", (_, context) => Backend.Of("simple", new SimpleStreamStore(context.TimeProvider)));
registry.Add("json", (url, context) => Backend.Of("json", new JsonStreamStore(url.Path, context.TimeProvider)));

await using var backend = await registry.OpenAsync(args is [var named] ? named : "simple:");
var where = new StreamPartitionContext { Stream = "greetings", Partition = 0, PartitionCount = 1 };
await using var partition = await backend.Require<IStreamStore>().OpenPartitionAsync(where);

StreamRecord[] greetings = [new() { Body = "hello"u8.ToArray() }, new() { Body = "good day"u8.ToArray() }];
var appended = await partition.AppendAsync(new AppendRequest(greetings));
Console.WriteLine($"appended at {appended.FirstOffset}");

using var page = await partition.ReadAsync(offset: 0, maxRecords: 100, maxBytes: 1_000_000);
foreach (var record in page.Records.Span)
{
    Console.WriteLine($"{record.Offset}: {Encoding.UTF8.GetString(record.Body.Span)}");
}
