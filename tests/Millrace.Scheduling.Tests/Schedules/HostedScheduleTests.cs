using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Client;
using Millrace.Hosting;
using Millrace.Scheduling.Tests.Jobs;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>Schedules that the code of a host defines, from one deployment to the next.</summary>
public sealed class HostedScheduleTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    private IReadOnlyList<ScheduleInfo> _deployed = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task LastSchedule_ThatTheCodeDoesNotDefineAnyMore_IsNotFiredAnyMore()
    {
        Assert.Equal([ScheduleStatus.Active], await DeployAsync(mill => mill.AddSchedule("nightly", "0 3 * * *", new Note(1))));
        Assert.Equal([ScheduleStatus.Orphaned], await DeployAsync(_ => { }));
        Assert.Equal([ScheduleStatus.Active], await DeployAsync(mill => mill.AddSchedule("nightly", "0 3 * * *", new Note(1))));
    }

    [Fact]
    public async Task TwoSchedules_OfOneName_KeepTheHostFromStarting()
    {
        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(
            () => DeployAsync(mill => mill.AddSchedule("nightly", "0 3 * * *", new Note(1)).AddSchedule("nightly", "0 4 * * *", new Note(2))));
        var ofAttributes = await Assert.ThrowsAsync<MillraceConfigurationException>(() => DeployAsync(mill => mill.AddJob<Twice>()));

        Assert.Contains("'nightly' 2 times", refused.Message, StringComparison.Ordinal);
        Assert.Contains("'twice' 2 times", ofAttributes.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SchedulesOfAConfiguration_AreDefined_ByTheirNames()
    {
        // As the environment gives them: SCHEDULES__NIGHTLY__TRIGGER overrides the file's.
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Schedules:nightly:trigger"] = "0 3 * * *",
            ["Schedules:nightly:job:name"] = "note",
            ["Schedules:nightly:job:arguments:number"] = "7",
            ["Schedules:nightly:tags:0"] = "reports",
            ["Schedules:beat:trigger"] = "every 10s",
            ["Schedules:beat:message:text"] = "tick",
            ["Schedules:beat:queue"] = "beats",
            ["Schedules:named:name"] = "Named",
            ["Schedules:named:trigger"] = "0 4 * * *",
            ["Schedules:named:job:name"] = "note",
            ["Schedules:wrong:trigger"] = "0 25 * * *",
            ["Schedules:wrong:job:name"] = "note",
        }).AddInMemoryCollection([new("SCHEDULES:NIGHTLY:TRIGGER", "0 5 * * * in Europe/Berlin")]).Build();

        Assert.All(await DeployAsync(mill => mill.AddSchedules(configuration.GetSection("Schedules"))), status => Assert.Equal(ScheduleStatus.Active, status));

        Assert.Equal(
            ["Named 0 4 * * * to jobs", "beat every 10s to beats", "nightly 0 5 * * * in Europe/Berlin to jobs"],
            _deployed.Select(info => $"{info.Definition.Name} {info.Definition.Trigger} to {info.Definition.Queue}"));
        Assert.Equal(["reports"], _deployed[2].Definition.Tags);
        Assert.Equal("note", Assert.IsType<JobTarget>(_deployed[2].Definition.Target).Job);
    }

    private async Task<IEnumerable<ScheduleStatus>> DeployAsync(Action<MillraceBuilder> define)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddMillrace($"file:{_folder.FullName}", mill => define(mill.AddJob<Note>((_, _, _) => Task.CompletedTask)));
        using var host = builder.Build();
        await host.StartAsync(Cancel);
        var schedules = await host.Services.GetRequiredService<MillraceClient>().Schedules.ListAsync(cancellationToken: Cancel);
        await host.StopAsync(Cancel);
        _deployed = schedules;
        return schedules.Select(schedule => schedule.Status);
    }

    [Job("twice")]
    [Schedule("every 1h")]
    [Schedule("every 2h")]
    private sealed record Twice : IJob
    {
        public Task RunAsync(JobContext context, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
