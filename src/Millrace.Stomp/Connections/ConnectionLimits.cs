using System.Globalization;
using System.Net;

namespace Millrace.Stomp.Connections;

/// <summary>Counts connections, in all and by address. Safe for concurrent use.</summary>
internal sealed class ConnectionLimits(StompOptions options)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private int _count;

    /// <summary>Lets a connection in, or says why not.</summary>
    public string? TryEnter(IPAddress? address)
    {
        lock (_gate)
        {
            if (_count == options.MaxConnections)
            {
                return string.Create(CultureInfo.InvariantCulture, $"The broker has {_count:N0} connections, which is its limit: close some, or raise the limit.");
            }

            if (address is not null && options.MaxConnectionsPerAddress is { } limit)
            {
                var has = _byAddress.GetValueOrDefault(address);
                if (has == limit)
                {
                    return string.Create(CultureInfo.InvariantCulture, $"The address {address} has {has:N0} connections, which is the limit of one address.");
                }

                _byAddress[address] = has + 1;
            }

            _count++;
            return null;
        }
    }

    /// <summary>A connection that was let in has ended.</summary>
    public void Leave(IPAddress? address)
    {
        lock (_gate)
        {
            _count--;
            if (address is not null && _byAddress.TryGetValue(address, out var has))
            {
                if (has == 1)
                {
                    _byAddress.Remove(address);
                }
                else
                {
                    _byAddress[address] = has - 1;
                }
            }
        }
    }
}
