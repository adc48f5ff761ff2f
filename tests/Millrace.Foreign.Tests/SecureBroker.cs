using System.Globalization;
using Xunit;

namespace Millrace.Foreign.Tests;

/// <summary>A broker with users, with STOMP in the clear and over TLS, and with HTTP over TLS. <c>ada</c> may use the queues <c>mine*</c>.</summary>
public sealed class SecureBroker : IAsyncLifetime
{
    public const string Password = "correct horse battery";

    // An authority that signs the server's certificate, and one that has nothing to do with it.
    private const string Prepare = $"""
        set -e
        for name in authority stranger; do
          openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout $name.key -out $name.pem -subj /CN=$name -addext keyUsage=keyCertSign
        done
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=localhost
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > server.ext
        openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 30 -extfile server.ext -out server.pem
        "$MILLRACE" user role set clerk --allow send,receive,manage --queues 'mine*'
        printf '{Password}\n' | "$MILLRACE" user add ada --role clerk --password-stdin
        """;

    private readonly StoreFolder _store = new();
    private RunningNode? _node;

    public int Port => PortOf("stomp://");

    public int TlsPort => PortOf("stomps://");

    public int HttpsPort => PortOf("https://");

    public string FileOf(string name) => Path.Combine(_store.Path, name);

    public async ValueTask InitializeAsync()
    {
        await using var shell = RunningProcess.Start(
            _store.Path, "/bin/bash", ["-c", Prepare], [("MILLRACE", RunningProcess.Millrace), ("MILLRACE_USERS", "./users.json")]);
        var result = await shell.FinishAsync();
        Assert.True(result.Code == 0, result.Error);
        _node = await RunningNode.StartAsync(
            _store.Path,
            [
                "--url", "memory:", "--users", "users.json", "--listen", "https://127.0.0.1:0", "--stomp", "stomp://127.0.0.1:0", "--stomp", "stomps://0.0.0.0:0",
                "--set", "SERVER__CERTIFICATE_FILE=server.pem", "--set", "SERVER__CERTIFICATE_KEY_FILE=server.key",
            ]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        _store.Dispose();
    }

    private int PortOf(string scheme)
    {
        var addresses = _node!.Start.GetProperty("addresses").EnumerateArray().Select(address => address.GetString()!);
        var address = addresses.Single(address => address.StartsWith(scheme, StringComparison.Ordinal));
        return int.Parse(address.TrimEnd('/').Split(':')[^1], CultureInfo.InvariantCulture);
    }
}
