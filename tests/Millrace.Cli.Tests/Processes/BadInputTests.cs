using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>Bad input of every kind that reaches the command line, against a real file: one sentence, the documented exit code, and nothing lost.</summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData("nope:./x", "There is no backend 'nope'")]
    [InlineData("sqlite:./x.db?durabilty=full", "has no option 'durabilty'")]
    [InlineData("sqlite:./x.db?durability=maybe", "must be")]
    [InlineData("sqlite:./x.db?prefix=a-b;drop", "prefix")]
    public async Task AnUnknownSchemeOrOption_IsUsage(string url, string message) =>
        (await RunningProcess.RunAsync(_store.Path, "send", "q", "x", "--url", url)).Failed(ExitCodes.Usage, message);

    [Fact]
    public async Task AMissingFolder_IsNamed_AndNotCreated()
    {
        var result = await RunningProcess.RunAsync(_store.Path, "send", "q", "x", "--url", "sqlite:./missing/data.db");

        AssertOneSentence(result, "missing");
        Assert.Contains(result.Code, (int[])[ExitCodes.Failed, ExitCodes.Usage]);
        Assert.False(Directory.Exists(Path.Combine(_store.Path, "missing")));
    }

    [Fact]
    public async Task AFolderInPlaceOfAFile_IsRefused()
    {
        Directory.CreateDirectory(Path.Combine(_store.Path, "folder.db"));

        var result = await RunningProcess.RunAsync(_store.Path, "send", "q", "x", "--url", "sqlite:./folder.db");

        AssertOneSentence(result, "folder.db");
        Assert.Contains(result.Code, (int[])[ExitCodes.Failed, ExitCodes.Usage]);
    }

    [Fact]
    public async Task AFolderThatCannotBeWritten_IsRefused()
    {
        // /proc refuses new files to everybody, root included.
        var result = await RunningProcess.RunAsync(_store.Path, "send", "q", "x", "--url", "sqlite:/proc/data.db");

        AssertOneSentence(result, "/proc");
        Assert.Contains(result.Code, (int[])[ExitCodes.Failed, ExitCodes.Usage]);
    }

    [Fact]
    public async Task AFileOfAnotherKind_IsRefused_AndLeftAsItIs()
    {
        await File.WriteAllTextAsync(_store.File, new string('x', 5000), Token);

        (await _store.RunAsync("send", "q", "x")).Failed(ExitCodes.Damaged, "data.db");

        Assert.Equal(new string('x', 5000), await File.ReadAllTextAsync(_store.File, Token));
    }

    [Fact]
    public async Task ADatabaseOfAnotherProgram_IsRefused_AndLeftAsItIs()
    {
        await using (var sqlite = RunningProcess.Start(_store.Path, "sqlite3", [_store.File, "create table millrace_queue(x); insert into millrace_queue values (1)"]))
        {
            (await sqlite.FinishAsync()).Succeeded();
        }

        var before = await File.ReadAllBytesAsync(_store.File, Token);
        (await _store.RunAsync("send", "q", "x")).Failed(ExitCodes.Damaged, "data.db");

        Assert.Equal(before, await File.ReadAllBytesAsync(_store.File, Token));
    }

    [Fact]
    public async Task AStoreWithDamagedPages_IsReported_AndNotRepairedBehindItsOwnersBack()
    {
        (await _store.RunWithInputAsync(string.Concat(Enumerable.Range(0, 2000).Select(number => $"{{\"n\":{number},\"t\":\"{new string('x', 200)}\"}}\n")), "send", "q")).Succeeded();
        await using (var sqlite = RunningProcess.Start(_store.Path, "sqlite3", [_store.File, "pragma wal_checkpoint(truncate)"]))
        {
            (await sqlite.FinishAsync()).Succeeded();
        }

        var bytes = await File.ReadAllBytesAsync(_store.File, Token);
        bytes.AsSpan(4096).Fill(0xA5);
        await File.WriteAllBytesAsync(_store.File, bytes, Token);

        (await _store.RunAsync("receive", "q")).Failed(ExitCodes.Damaged, "data.db");

        Assert.Equal(bytes.Length, new FileInfo(_store.File).Length);
    }

    [Fact]
    public async Task AQueueThatMustExist_IsNotFound_AndNotCreated()
    {
        foreach (var args in (string[][])[
            ["receive", "missing"], ["stats", "missing"], ["browse", "missing"], ["dead", "list", "missing"], ["dead", "redrive", "missing", "--all"],
            ["dead", "purge", "missing", "--all"], ["queue", "settings", "missing"], ["queue", "purge", "missing", "--all"], ["queue", "delete", "missing"]])
        {
            (await _store.RunAsync(args)).Failed(ExitCodes.NotFound, "There is no queue 'missing");
        }

        Assert.Equal("", (await _store.RunAsync("queue", "list")).Succeeded().Output);
    }

    [Fact]
    public async Task AStoreThatCreatesNoQueues_RefusesAnUnknownOne()
    {
        foreach (var args in (string[][])[["send", "missing", "x"], ["work", "missing", "--exec", "true"]])
        {
            (await RunningProcess.RunAsync(_store.Path, [.. args, "--url", _store.Url + "?autocreate=false"])).Failed(ExitCodes.NotFound, "There is no queue 'missing'");
        }
    }

    [Fact]
    public async Task ABodyOverTheLimit_IsRefusedWithItsLine_AndTakesOnlyItsBatchWithIt()
    {
        await using var sender = _store.Start(onLine: null, "send", "q", "--batch", "1");
        await sender.Input.WriteAsync("1\n\"");
        var block = new string('x', 1024 * 1024);
        try
        {
            for (var i = 0; i < 33; i++)
            {
                await sender.Input.WriteAsync(block);
            }

            sender.Input.Close();
        }
        catch (IOException)
        {
            // It gave up before the end, as it should.
        }

        Assert.Equal(ExitCodes.BadInput, await sender.ExitAsync());
        Assert.Contains("Line 2 is longer than 33,554,432 bytes", await sender.Error, StringComparison.Ordinal);
        Assert.Equal(["1"], (await _store.RunAsync("receive", "q", "-n", "5")).Succeeded().Lines);
    }

    [Theory]
    [InlineData("its headers have", "--header", 200)]
    [InlineData("its id must have 1 to 200 bytes", "--id", 1)]
    [InlineData("its key must have 1 to 200 bytes", "--key", 1)]
    [InlineData("its content type must have 1 to 200 bytes", "--content-type", 1)]
    public async Task ATextOverItsLimit_IsRefused(string message, string option, int times)
    {
        (await _store.RunAsync("queue", "create", "q")).Succeeded();
        var value = option == "--header" ? "h=" + new string('x', 100) : new string('x', 201);
        var options = Enumerable.Range(0, times).SelectMany(number => (string[])[option, option == "--header" ? $"{number}{value}{new string('y', 400)}" : value]);

        (await _store.RunAsync(["send", "q", "x", .. options])).Failed(ExitCodes.BadInput, message);

        Assert.Equal(0, (await _store.RunAsync("stats", "q", "--json")).Succeeded().Objects[0].GetProperty("ready").GetInt32());
    }

    [Fact]
    public async Task MalformedJson_IsRefusedWithItsLine_AndWhatWasStoredIsSaid()
    {
        var result = await _store.RunWithInputAsync("{\"a\":1}\n{\"a\":2}\n{\"a\":3\n{\"a\":4}\n", "send", "q", "--batch", "1");

        Assert.Equal(ExitCodes.BadInput, result.Code);
        Assert.Contains("2 messages, up to line 2, had been stored before", result.Error, StringComparison.Ordinal);
        Assert.Contains("Line 3 is not JSON", result.Error, StringComparison.Ordinal);
        Assert.Equal(["{\"a\":1}", "{\"a\":2}"], (await _store.RunAsync("receive", "q", "-n", "9")).Succeeded().Lines);
    }

    [Theory]
    [InlineData("no-such-file.jsonl")]
    [InlineData(".")]
    public async Task AnInputThatCannotBeRead_IsAFailure(string file)
    {
        (await _store.RunAsync("queue", "create", "q")).Succeeded();

        var result = await _store.RunAsync("send", "q", "--file", file);

        Assert.Equal(ExitCodes.Failed, result.Code);
        AssertOneSentence(result, file == "." ? "" : file);
    }

    [Fact]
    public async Task ARetryPolicyBeyondMaxDeliveries_IsRefusedAtStart_AndNothingIsTouched()
    {
        (await _store.RunAsync("queue", "create", "q", "--max-deliveries", "3")).Succeeded();
        (await _store.RunAsync("send", "q", "x")).Succeeded();

        (await _store.RunAsync("work", "q", "--exec", "true", "--max-attempts", "4")).Failed(ExitCodes.Usage, "4 attempts");

        var left = Assert.Single((await _store.RunAsync("browse", "q", "--json")).Succeeded().Objects);
        Assert.Equal(0, left.GetProperty("attempts").GetInt32());
    }

    private static void AssertOneSentence(CliResult result, string named)
    {
        Assert.Equal("", result.Output);
        Assert.Contains(named, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }
}
