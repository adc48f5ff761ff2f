using System.Text;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class ScheduleMigrationTests : IDisposable
{
    private readonly MigrationWorld _world = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData("sqlite", "file")]
    [InlineData("file", "sqlite")]
    public async Task Schedules_ArriveWithHowFarTheyWereFired_AndNodesAreTold(string from, string to)
    {
        var (source, target) = (_world.Url(from), _world.Url(to));
        ScheduleInfo? before = null;
        string? run = null;
        await WithAsync(source, async schedules =>
        {
            await schedules.PutAsync(Definition("s"), cancellationToken: Token);
            run = await schedules.RunNowAsync("s", Token);
            await schedules.PauseAsync("s", Token);
            before = await schedules.GetAsync("s", Token);
        });
        await WithAsync(target, async schedules => await schedules.PutAsync(Definition("there"), cancellationToken: Token));

        var moved = (await MigrationWorld.MigrateAsync(source, target)).Succeeded();

        Assert.Contains("documents: 2 moved, 0 there already, 0 left", moved.Lines);
        Assert.Equal("", moved.Error);
        await WithAsync(target, async schedules =>
        {
            var after = await schedules.GetAsync("s", Token);
            Assert.Equal((ScheduleStatus.Paused, 1L, 1L), (after!.Status, after.Fired, after.Version));
            Assert.Equal(before!.OpenRuns, after.OpenRuns);
            Assert.Equal([run!], after.OpenRuns);
        });
        await MigrationWorld.WithAsync(target, async backend =>
        {
            Assert.Equal([run!], await MigrationWorld.IdsAsync(backend, "jobs"));

            // The schedule that was there took a version before it was announced.
            Assert.Equal("""{"count":3,"names":["there","there","s"]}""", Encoding.UTF8.GetString((await backend.State!.GetAsync("!schedules", Token))!.Value.Span));
        });

        Assert.Contains("documents: 0 moved, 2 there already, 0 left", (await MigrationWorld.MigrateAsync(source, target)).Succeeded().Lines);
    }

    private static ScheduleDefinition Definition(string name) => new() { Name = name, Trigger = Trigger.Parse("0 3 29 2 *"), Target = new JobTarget { Job = "j" } };

    private static async Task WithAsync(string url, Func<ScheduleClient, Task> workAsync)
    {
        await using var mill = await MillraceClient.OpenAsync(url, cancellationToken: Token);
        await workAsync(mill.Schedules);
    }
}
