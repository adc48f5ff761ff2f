using System.Net.Sockets;

namespace Millrace.Redis.Tests.Proxies;

/// <summary>Passes bytes on while it is open; else it takes connections and what they say, and passes on nothing.</summary>
internal sealed class GatedProxy : TcpProxy
{
    private readonly Lock _gate = new();
    private readonly List<Connection> _connections = [];
    private readonly SemaphoreSlim _refusals = new(0);
    private Gate _state = Gate.Open;
    private int _refused;

    /// <param name="server">The server's port.</param>
    public GatedProxy(int server)
        : base(server) => Start();

    /// <summary>How many connections it has taken and not passed on.</summary>
    public int Refused => Volatile.Read(ref _refused);

    /// <summary>Changes what becomes of connections, and cuts those that it passes on.</summary>
    public void Set(Gate gate)
    {
        lock (_gate)
        {
            _state = gate;
            _connections.ForEach(static connection => connection.End());
            _connections.Clear();
        }
    }

    /// <summary>Waits until so many more connections have been taken and not passed on.</summary>
    public async Task WaitForRefusalsAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await _refusals.WaitAsync(Closing);
        }
    }

    protected override ProxiedConnection Take()
    {
        lock (_gate)
        {
            var connection = new Connection(_state);
            if (_state == Gate.Open)
            {
                _connections.Add(connection);
            }

            return connection;
        }
    }

    protected override Task HandleAsync(Socket client, ProxiedConnection connection) =>
        connection is Connection { Gate: Gate.Open } ? base.HandleAsync(client, connection) : RefuseAsync(client, hangs: connection is Connection { Gate: Gate.Hangs });

    private async Task RefuseAsync(Socket client, bool hangs)
    {
        // Read, so that the client has written what it wanted to.
        var buffer = new byte[1024];
        var hasCome = await client.ReceiveAsync(buffer, Closing) > 0;
        Interlocked.Increment(ref _refused);
        _refusals.Release();
        while (hasCome && hangs)
        {
            hasCome = await client.ReceiveAsync(buffer, Closing) > 0;
        }
    }

    private sealed class Connection(Gate gate) : ProxiedConnection
    {
        public Gate Gate => gate;
    }
}
