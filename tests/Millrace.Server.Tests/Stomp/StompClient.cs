using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>A client that sends frames as text, over a socket, and reads them one by one.</summary>
internal sealed class StompClient : IAsyncDisposable
{
    private readonly TcpClient _tcp;
    private readonly Stream _stream;

    private StompClient(TcpClient tcp, Stream stream) => (_tcp, _stream) = (tcp, stream);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Opens a connection, and says nothing yet.</summary>
    public static async Task<StompClient> OpenAsync(Uri address)
    {
        var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Parse(address.Host.Trim('[', ']')), address.Port, Token);
        if (address.Scheme != "stomps")
        {
            return new StompClient(tcp, tcp.GetStream());
        }

        var tls = new SslStream(tcp.GetStream(), leaveInnerStreamOpen: false, (_, certificate, _, _) => certificate?.Subject == "CN=localhost");
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost" }, Token);
        return new StompClient(tcp, tls);
    }

    /// <summary>Opens a connection with a CONNECT frame; further headers are lines.</summary>
    public static async Task<(StompClient Client, string Answer)> ConnectAsync(Uri address, string headers = "")
    {
        var client = await OpenAsync(address);
        await client.SendAsync($"CONNECT\naccept-version:1.2\n{headers}\n\0");
        return (client, await client.ReadAsync() ?? "");
    }

    public async Task SendAsync(string frame) => await _stream.WriteAsync(Encoding.UTF8.GetBytes(frame), Token);

    /// <summary>Sends a frame with a receipt, and returns what comes then.</summary>
    public async Task<string?> AskAsync(string frame)
    {
        await SendAsync(frame.Replace("\n\n", "\nreceipt:r\n\n", StringComparison.Ordinal));
        return await ReadAsync();
    }

    /// <summary>The next frame without its NUL, heart-beats passed over; null at the end.</summary>
    public async Task<string?> ReadAsync()
    {
        var bytes = new List<byte>();
        var one = new byte[1];
        while (true)
        {
            int count;
            try
            {
                count = await _stream.ReadAsync(one, Token).AsTask().WaitAsync(TestScale.Patience, Token);
            }
            catch (IOException)
            {
                return null;
            }

            if (count == 0)
            {
                return null;
            }

            if (one[0] == 0)
            {
                return Encoding.UTF8.GetString([.. bytes]);
            }

            if (bytes.Count > 0 || one[0] != '\n')
            {
                bytes.Add(one[0]);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        _tcp.Dispose();
    }
}
