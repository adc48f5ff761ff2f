using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>A server for others, as the guide to security sets it up: a user, a certificate, an address that is not loopback's, and clients.</summary>
public sealed class SecureServeTests : IDisposable
{
    private const string MakeCertificate =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -keyout server.key -out server.pem -subj /CN=localhost "
        + "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null";

    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task AServerWithUsersAndACertificate_ServesWhoIsLetIn()
    {
        Assert.Equal(0, (await ShellAsync($"{MakeCertificate} && printf 'correct horse battery\n' | \"$MILLRACE\" user add ada --role admin --password-stdin")).Code);
        await using var node = await RunningNode.StartAsync(
            _store.Path,
            ["--url", "memory:", "--users", "users.json", "--listen", "https://0.0.0.0:0", "--set", "SERVER__CERTIFICATE_FILE=server.pem", "--set", "SERVER__CERTIFICATE_KEY_FILE=server.key"]);
        var port = new Uri(node.Start.GetProperty("addresses")[1].GetString()!).Port;

        var sent = await ShellAsync("\"$MILLRACE\" send orders hello", $"https://ada:correct%20horse%20battery@localhost:{port}?caFile=server.pem");
        Assert.True(sent.Code == ExitCodes.Done, sent.Output);
        Assert.Contains(
            "does not let this client in", (await ShellAsync("\"$MILLRACE\" stats 2>&1", $"https://ada:wrong@localhost:{port}?caFile=server.pem")).Output, StringComparison.Ordinal);
        var untrusted = await ShellAsync("\"$MILLRACE\" stats 2>&1", $"https://ada:correct%20horse%20battery@localhost:{port}");
        Assert.Equal(ExitCodes.Usage, untrusted.Code);
        Assert.Contains("is not trusted", untrusted.Output, StringComparison.Ordinal);
        var curl = await ShellAsync($"curl -s --cacert server.pem -u 'ada:correct horse battery' https://localhost:{port}/api/v1/queues");
        Assert.Equal("""{"queues":["orders"],"next":null}""" + "\n", curl.Output);
    }

    private async Task<(int Code, string Output)> ShellAsync(string command, string url = "")
    {
        await using var shell = RunningProcess.Start(
            _store.Path, "/bin/bash", ["-c", command], [("MILLRACE", RunningProcess.Millrace), ("MILLRACE_USERS", "./users.json"), ("MILLRACE_URL", url)]);
        var result = await shell.FinishAsync();
        return (result.Code, result.Output);
    }
}
