using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>BEGIN, COMMIT and ABORT: the open transactions of one session. Touched by its session only.</summary>
internal sealed class Transactions(SessionContext session)
{
    private readonly Dictionary<string, SessionTransaction> _open = new(StringComparer.Ordinal);

    /// <summary>How many are open.</summary>
    public int Count => _open.Count;

    /// <summary>The open transaction of a name.</summary>
    /// <exception cref="StompFaultException">There is none.</exception>
    public SessionTransaction Find(string name) =>
        _open.TryGetValue(name, out var transaction)
            ? transaction
            : throw new StompFaultException("no such transaction", $"There is no open transaction '{Destination.Shown(name)}' on this connection.");

    /// <summary>BEGIN.</summary>
    public void Begin(StompFrame frame)
    {
        var name = NameOf(frame);
        var resources = session.Resources;
        if (!resources.HasTransactions && resources.Options.Transactions == StompTransactions.Atomic)
        {
            throw new StompFaultException(
                "not supported", "The store has no transactions. The broker may be set to transactions=ordered: messages first, acknowledgements after, not atomic.");
        }

        if (_open.Count >= resources.Options.MaxTransactions)
        {
            throw new StompFaultException("too many transactions", $"The connection has {_open.Count:N0} open transactions, which is the limit.");
        }

        if (!_open.TryAdd(name, new SessionTransaction(session, name)))
        {
            throw new StompFaultException("transaction exists", $"The transaction '{Destination.Shown(name)}' has begun already.");
        }
    }

    /// <summary>COMMIT: all of it, or none. Its receipts are posted.</summary>
    public async ValueTask CommitAsync(StompFrame frame)
    {
        var name = NameOf(frame);
        var transaction = Find(name);
        _open.Remove(name);
        using (transaction)
        {
            await transaction.CommitAsync().ConfigureAwait(false);
        }
    }

    /// <summary>ABORT: what was sent is forgotten, and what was acknowledged is open again.</summary>
    public void Abort(StompFrame frame)
    {
        var name = NameOf(frame);
        Find(name).Dispose();
        _open.Remove(name);
    }

    /// <summary>The connection ends, and its transactions with it.</summary>
    public void AbortAll()
    {
        foreach (var transaction in _open.Values)
        {
            transaction.Dispose();
        }

        _open.Clear();
    }

    private static string NameOf(StompFrame frame) =>
        frame.Get(KnownHeader.Transaction) is { Length: > 0 } name
            ? name
            : throw new StompFaultException("malformed frame", $"A {StompCommandsText(frame)} frame must have a transaction.");

    private static string StompCommandsText(StompFrame frame) => System.Text.Encoding.ASCII.GetString(StompCommands.BytesOf(frame.Command));
}
