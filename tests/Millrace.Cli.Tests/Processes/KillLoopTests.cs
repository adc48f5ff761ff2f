using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>The processes share a SQLite file, and are killed themselves.</summary>
public sealed class KillLoopTests : KillLoop
{
    private protected override string Url => Store.Url;

    [Fact]
    public Task Q11_NothingAcknowledgedIsLost_AndNothingSettledComesBack_AcrossKills() =>
        RunAsync(TestScale.IsFull ? 50 : 5, random => KillAsync(random.Next(7)));

    // Every combination of victims has its chance: 1 the sender, 2 the worker, 4 the command's worker.
    private async Task KillAsync(int choice)
    {
        var victims = choice + 1;
        List<Task> deaths = [];
        if ((victims & 1) != 0)
        {
            deaths.Add(Sender.KillAsync());
        }

        if ((victims & 2) != 0)
        {
            deaths.Add(Worker.KillAsync());
        }

        if ((victims & 4) != 0)
        {
            deaths.Add(CommandWorker.KillAsync());
        }

        await Task.WhenAll(deaths);
        if ((victims & 1) != 0)
        {
            StartSender();
        }

        if ((victims & 2) != 0)
        {
            StartWorker();
        }

        if ((victims & 4) != 0)
        {
            StartCommandWorker();
        }
    }
}
