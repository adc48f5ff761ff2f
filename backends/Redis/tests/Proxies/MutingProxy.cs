namespace Millrace.Redis.Tests.Proxies;

/// <summary>Passes bytes on; of connections that are mute, what the server answers is thrown away.</summary>
internal sealed class MutingProxy : TcpProxy
{
    private readonly Lock _gate = new();
    private readonly List<Connection> _connections = [];
    private bool _isMute;

    /// <param name="server">The server's port.</param>
    public MutingProxy(int server)
        : base(server) => Start();

    /// <summary>From here on the server reads what it is sent, and nobody hears its answers: on connections that there are, for good, and on those that are made until <see cref="Unmute"/>.</summary>
    public void Mute()
    {
        lock (_gate)
        {
            _isMute = true;
            _connections.ForEach(static connection => connection.Mute());
        }
    }

    /// <summary>Connections that are made from here on are not mute.</summary>
    public void Unmute()
    {
        lock (_gate)
        {
            _isMute = false;
        }
    }

    /// <summary>Cuts all connections.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            _connections.ForEach(static connection => connection.End());
        }
    }

    protected override ProxiedConnection Take()
    {
        var connection = new Connection();
        lock (_gate)
        {
            _connections.Add(connection);
            if (_isMute)
            {
                connection.Mute();
            }
        }

        return connection;
    }

    private sealed class Connection : ProxiedConnection
    {
        private volatile bool _isMute;

        public void Mute() => _isMute = true;

        public override int Pass(bool isAnswer, int bytes) => isAnswer && _isMute ? 0 : bytes;
    }
}
