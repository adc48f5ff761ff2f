namespace Millrace.Redis.Tests.Proxies;

/// <summary>
/// Passes bytes on until it cuts: each connection after a number of bytes of its own, in one direction or the other, drawn from a seed. Connections that are made while it is calm are not
/// cut.
/// </summary>
internal sealed class CuttingProxy : TcpProxy
{
    private readonly int _fewestBytes;
    private readonly int _mostBytes;
    private readonly Random _random;
    private volatile bool _isCalm;
    private int _cuts;

    /// <param name="server">The server's port.</param>
    /// <param name="fewestBytes">The fewest bytes after which a connection is cut, enough to introduce a client.</param>
    /// <param name="mostBytes">The most.</param>
    /// <param name="seed">Decides where.</param>
    public CuttingProxy(int server, int fewestBytes, int mostBytes, int seed)
        : base(server)
    {
        (_fewestBytes, _mostBytes, _random) = (fewestBytes, mostBytes, new Random(seed));
        Start();
    }

    /// <summary>How many connections it has cut.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>Cuts no more of those that come.</summary>
    public void CalmDown() => _isCalm = true;

    protected override ProxiedConnection Take()
    {
        var (cutsAnswers, bytes) = (_random.Next(2) != 0, _random.Next(_fewestBytes, _mostBytes));
        return _isCalm ? new ProxiedConnection() : new Connection(this, cutsAnswers, bytes);
    }

    private sealed class Connection(CuttingProxy proxy, bool cutsAnswers, int bytes) : ProxiedConnection
    {
        private int _left = bytes;

        public override bool IsCut => Volatile.Read(ref _left) == 0;

        public override int Pass(bool isAnswer, int bytes)
        {
            if (isAnswer != cutsAnswers)
            {
                return bytes;
            }

            var passed = Math.Min(bytes, _left);
            if (Interlocked.Add(ref _left, -passed) == 0)
            {
                Interlocked.Increment(ref proxy._cuts);
            }

            return passed;
        }
    }
}
