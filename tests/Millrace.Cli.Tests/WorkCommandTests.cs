using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class WorkCommandTests : IDisposable
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-work-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task TheBody_IsTheCommandsInput_ByteForByte()
    {
        await using var world = await CliWorld.OpenAsync();
        var body = new byte[300_000];
        new Random(1).NextBytes(body);
        await world.Queues.EnqueueAsync("q", new[] { new Envelope(body) }, default, Token);

        await WorkAsync(world, $"cat > {_folder}/body");

        Assert.Equal(body, await File.ReadAllBytesAsync($"{_folder}/body", Token));
        Assert.Equal(0, (await world.Admin.GetStatsAsync("q", Token)).Leased);
    }

    [Fact]
    public async Task WhatIsKnownOfTheMessage_IsInTheEnvironment()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "{}", "--id", "one", "--key", "k", "-p", "7", "-H", "tenant-id=acme", "-H", "tenant_id=other", "-H", "odd=a\nb")).Succeeded();

        await WorkAsync(world, $"env -0 > {_folder}/env");

        var variables = (await File.ReadAllTextAsync($"{_folder}/env", Token)).Split('\0').Where(text => text.StartsWith("MILLRACE_", StringComparison.Ordinal)).ToList();
        foreach (var expected in (string[])[
            "MILLRACE_QUEUE=q", "MILLRACE_ID=one", "MILLRACE_KEY=k", "MILLRACE_PRIORITY=7", "MILLRACE_ATTEMPT=1", "MILLRACE_REDELIVERED=false",
            "MILLRACE_CONTENT_TYPE=application/json", "MILLRACE_HEADER_TENANT_ID=acme", "MILLRACE_HEADER_ODD=a\nb"])
        {
            Assert.Contains(expected, variables);
        }
    }

    [Fact]
    public async Task AFailingCommand_IsRetried_UntilItSucceeds()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        var report = await WorkAsync(world, $"echo $MILLRACE_ATTEMPT >> {_folder}/attempts; [ $MILLRACE_ATTEMPT -eq 3 ]");

        Assert.Equal("1\n2\n3\n", await File.ReadAllTextAsync($"{_folder}/attempts", Token));
        Assert.Equal((1, 2, 0), (report.GetProperty("completed").GetInt32(), report.GetProperty("retried").GetInt32(), report.GetProperty("deadLettered").GetInt32()));
    }

    [Fact]
    public async Task AfterTheLastAttempt_TheMessageIsDead_WithTheEndOfItsErrorStream()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x", "--id", "one")).Succeeded();

        await WorkAsync(world, "seq 10000 >&2; echo 'no such customer' >&2; exit 3", "--max-attempts", "2");

        var letter = Assert.Single((await world.RunAsync("dead", "list", "q", "--json")).Succeeded().Objects).GetProperty("deadLetter");
        Assert.Equal(2, letter.GetProperty("attempts").GetInt32());
        Assert.StartsWith("exit code 3: ", letter.GetProperty("lastError").GetString(), StringComparison.Ordinal);
        Assert.EndsWith("10000\nno such customer", letter.GetProperty("lastError").GetString(), StringComparison.Ordinal);
        Assert.True(letter.GetProperty("lastError").GetString()!.Length < 2100);
    }

    [Fact]
    public async Task ExitCode65_DeadLettersAtOnce()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        await WorkAsync(world, "echo 'not an order' >&2; exit 65");

        var letter = Assert.Single((await world.RunAsync("dead", "list", "q", "--json")).Succeeded().Objects).GetProperty("deadLetter");
        Assert.Equal(("rejected", 1), (letter.GetProperty("reason").GetString(), letter.GetProperty("attempts").GetInt32()));
        Assert.Equal("exit code 65: not an order", letter.GetProperty("lastError").GetString());
    }

    [Fact]
    public async Task ACommandEndedByASignal_HasFailed()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        await WorkAsync(world, "kill -9 $$", "--max-attempts", "1");

        var letter = Assert.Single((await world.RunAsync("dead", "list", "q", "--json")).Succeeded().Objects).GetProperty("deadLetter");
        Assert.Equal("ended by signal 9", letter.GetProperty("lastError").GetString());
    }

    [Fact]
    public async Task ACommandOverItsTimeout_IsKilledWithItsChildren_AndHasFailed()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        await WorkAsync(world, $"sleep 1000 & echo $! > {_folder}/child; wait", "--max-attempts", "1", "--timeout", "300ms");

        var letter = Assert.Single((await world.RunAsync("dead", "list", "q", "--json")).Succeeded().Objects).GetProperty("deadLetter");
        Assert.Contains("took longer than", letter.GetProperty("lastError").GetString(), StringComparison.Ordinal);
        var child = (await File.ReadAllTextAsync($"{_folder}/child", Token)).Trim();
        Assert.False(File.Exists($"/proc/{child}/cmdline") && File.ReadAllText($"/proc/{child}/cmdline").Contains("1000", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ACommandThatReadsNothing_IsJudgedByItsExitCode()
    {
        await using var world = await CliWorld.OpenAsync();
        await world.Queues.EnqueueAsync("q", new[] { new Envelope(new byte[1_000_000]) }, default, Token);

        var report = await WorkAsync(world, "true");

        Assert.Equal(1, report.GetProperty("completed").GetInt32());
    }

    [Fact]
    public async Task AnErrorStreamHeldOpenInTheBackground_DoesNotHoldUpTheWork()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        var report = await WorkAsync(world, "sleep 30 & echo started >&2");

        Assert.Equal(1, report.GetProperty("completed").GetInt32());
    }

    [Theory]
    [InlineData("no-such-command-anywhere", "not found")]
    [InlineData("/etc/passwd", "ermission denied")]
    public async Task ACommandThatCannotBeRun_StopsTheWorker_AndCostsNoMessageAnAttempt(string command, string complaint)
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunWithInputAsync("1\n2\n3\n", "send", "q")).Succeeded();

        var result = await world.RunAsync("work", "q", "--exec", command);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("cannot be run", result.Error, StringComparison.Ordinal);
        Assert.Contains(complaint, result.Error, StringComparison.Ordinal);
        var left = (await world.RunAsync("browse", "q", "--json")).Succeeded().Objects;
        Assert.Equal(["1 0", "2 0", "3 0"], left.Select(item => $"{item.GetProperty("body")} {item.GetProperty("attempts")}"));
    }

    [Fact]
    public async Task AnAttemptPolicyBeyondTheQueues_IsRefusedAtStart()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("queue", "create", "q", "--max-deliveries", "3")).Succeeded();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        (await world.RunAsync("work", "q", "--exec", "true", "--max-attempts", "4")).Failed(ExitCodes.Usage, "asks for 4 attempts, but the queue dead-letters a message after 3");

        Assert.Equal(1, (await world.Admin.GetStatsAsync("q", Token)).Ready);
    }

    [Fact]
    public async Task Concurrency_RunsSoManyCommandsAtOnce_AndNotMore()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunWithInputAsync(string.Concat(Enumerable.Range(0, 12).Select(number => $"{number}\n")), "send", "q")).Succeeded();

        // Each command leaves when three stand in the folder, or fails when it sees a fourth.
        var script = $"cd {_folder}; mkdir in.$$ || exit 1; [ $(ls -d in.* | wc -l) -le 3 ] || touch crowded; "
            + "until [ -e together ] || [ $(ls -d in.* | wc -l) -eq 3 ]; do sleep 0.01; done; touch together; rmdir in.$$";
        var report = await WorkAsync(world, script, "--concurrency", "3");

        Assert.Equal(12, report.GetProperty("completed").GetInt32());
        Assert.True(File.Exists($"{_folder}/together"));
        Assert.False(File.Exists($"{_folder}/crowded"));
    }

    private static async Task<System.Text.Json.JsonElement> WorkAsync(CliWorld world, string command, params string[] options)
    {
        string[] args = ["work", "q", "--exec", command, "--exit-when-idle", "200ms", "--retry", "fixed", "--retry-delay", "0", "--json"];
        var result = await world.RunAsync([.. args, .. options]);
        return Assert.Single(result.Succeeded().Objects);
    }
}
