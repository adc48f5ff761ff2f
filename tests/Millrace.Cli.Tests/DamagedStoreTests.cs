using System.Text;
using Millrace.App;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>Commands on a store in files that is damaged say so: what a start puts aside, no later one finds.</summary>
public sealed class DamagedStoreTests : IDisposable
{
    private const int Records = 100;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Url => $"file:{_folder.FullName}/store";

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("stream list")]
    [InlineData("stream append s text")]
    public async Task ADamagedStream_IsReported_OnTheErrorStream(string words)
    {
        var command = words.Split(' ');
        await FillAsync();
        Damage(Path.Combine("store", "streams", "s", "0"));
        var result = await RunAsync(command);
        Assert.Equal(ExitCodes.Done, result.Code);
        Assert.Contains("is damaged at byte", result.Error, StringComparison.Ordinal);
        Assert.Contains(".log", result.Error, StringComparison.Ordinal);
        Assert.Empty((await RunAsync(command)).Error);
    }

    private async Task FillAsync()
    {
        await using var backend = await MigrationWorld.OpenAsync(Url);
        await using var catalog = MigrationWorld.StreamsOf(backend);
        await catalog.Streams.CreateAsync("s", new StreamSettings(), Token);
        var partition = await catalog.Streams.OpenPartitionAsync("s", 0, Token);
        for (var i = 0; i < Records; i++)
        {
            await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = new byte[200] } }), Token);
        }
    }

    private void Damage(string folder)
    {
        var file = Directory.GetFiles(Path.Combine(_folder.FullName, folder), "*.log").Order(StringComparer.Ordinal).Last();
        using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite);
        stream.Position = 60;
        var found = stream.ReadByte();
        stream.Position = 60;
        stream.WriteByte((byte)(found ^ 4));
    }

    private async Task<CliResult> RunAsync(params string[] command)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext { Input = Stream.Null, Output = output, Error = TextWriter.Synchronized(error), ReadVariable = static _ => null };
        var code = await CommandLine.RunAsync([.. command, "--url", Url], context, Token);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
