using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>The processes are clients of one server over a SQLite file. The server is killed; they are not, and must find back by themselves.</summary>
public sealed class ServerKillLoopTests : KillLoop
{
    private readonly string _address = $"http://127.0.0.1:{FreePort()}";
    private RunningProcess? _server;

    private protected override string Url => _address;

    public override async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    [Fact]
    public async Task Q11_NothingAcknowledgedIsLost_AndNothingSettledComesBack_AcrossKillsOfTheServer()
    {
        await StartServerAsync();
        await RunAsync(TestScale.IsFull ? 50 : 5, async _ =>
        {
            await _server!.KillAsync();
            await StartServerAsync();
            Assert.False(Sender.Output.IsCompleted || Worker.Output.IsCompleted || CommandWorker.Output.IsCompleted, $"a client gave up: {Sender.ErrorSoFar}{Worker.ErrorSoFar}{CommandWorker.ErrorSoFar}");
        });
    }

    private async Task StartServerAsync()
    {
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _server = RunningProcess.Start(
            Store.Path, RunningProcess.Millrace, ["serve", "--json", "--url", Store.Url, "--listen", _address, "--no-stomp"], onLine: _ => ready.TrySetResult());
        await ready.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
