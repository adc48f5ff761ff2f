using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Millrace.Server.Security.Tls;
using Millrace.Stomp;

namespace Millrace.Server.Hosting;

/// <summary>The addresses of a node, those of HTTP first, then those of STOMP: how the web server listens on them, and what they are called when it does.</summary>
internal sealed class NodeListeners
{
    private readonly List<(string Url, BindingAddress Address)> _addresses;
    private readonly ServerCertificate? _certificate;
    private readonly StompBroker? _broker;
    private readonly List<AcceptProbe> _stompProbes = [];

    public NodeListeners(MillraceServerOptions options, ServerCertificate? certificate, StompBroker? broker)
    {
        _certificate = certificate;
        _broker = broker;
        _addresses = [.. options.Urls.Concat(options.Stomp?.Urls ?? []).Select(url => (url, ListenUrl.Parse(url)))];
        Limit = new ConnectionLimit(options.MaxConnections, options.LoggerFactory.CreateLogger("Millrace.Server"));
    }

    /// <summary>The limit of the HTTP connections.</summary>
    public ConnectionLimit Limit { get; }

    /// <summary>What finds out whether the listeners of STOMP accept connections, in the order of their addresses.</summary>
    public IReadOnlyList<AcceptProbe> StompProbes => _stompProbes;

    /// <summary>Tells the web server where to listen. Nothing but this: it would forget the URLs that it was given otherwise.</summary>
    public void Apply(KestrelServerOptions kestrel)
    {
        foreach (var (_, address) in _addresses)
        {
            Action<ListenOptions> configure = ListenUrl.IsStomp(address) ? listen => ServeStomp(listen, address) : listen => ServeHttp(listen, address);
            if (address.IsUnixPipe)
            {
                kestrel.ListenUnixSocket(address.UnixPipePath, configure);
            }
            else if (address.IsNamedPipe)
            {
                kestrel.ListenNamedPipe(address.NamedPipeName, configure);
            }
            else if (address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            {
                kestrel.ListenLocalhost(address.Port, configure);
            }
            else if (System.Net.IPAddress.TryParse(address.Host, out var ip))
            {
                kestrel.Listen(ip, address.Port, configure);
            }
            else
            {
                kestrel.ListenAnyIP(address.Port, configure);
            }
        }
    }

    /// <summary>What the addresses are called, with the ports that they got: the web server takes every one for HTTP.</summary>
    /// <param name="bound">What the web server calls those on which it listens, in the order in which it began to.</param>
    public IReadOnlyList<string> NamesOf(ICollection<string> bound) =>
        [.. bound.Zip(_addresses, static (name, address) => $"{address.Address.Scheme}{name[name.IndexOf("://", StringComparison.Ordinal)..]}")];

    /// <summary>Why the web server listens on nothing, for people.</summary>
    /// <param name="bound">Those on which it did listen before it failed.</param>
    /// <param name="exception">What it said.</param>
    public string DescribeFailure(ICollection<string> bound, Exception exception)
    {
        var (url, address) = _addresses[Math.Min(bound.Count, _addresses.Count - 1)];
        var reason = exception.InnerException is AddressInUseException ? "address already in use" : exception.Message.TrimEnd('.');
        var stomp = ListenUrl.IsStomp(address) ? "; 'millrace serve' takes it as --stomp, and --no-stomp where STOMP is not needed" : "";
        var left = address.IsUnixPipe && File.Exists(address.UnixPipePath) ? "; where no program has it, a node that was killed has left the file: remove it" : "";
        return $"Cannot listen on {url}: {reason}. End the program that has the address, or choose another one{left}{stomp}.";
    }

    private void ServeHttp(ListenOptions listen, BindingAddress address)
    {
        listen.Use(Limit.Before);
        if (ListenUrl.IsEncrypted(address))
        {
            listen.UseHttps(_certificate!.Configure);
        }
    }

    private void ServeStomp(ListenOptions listen, BindingAddress address)
    {
        // No protocols of HTTP to agree on in a handshake of TLS.
        listen.Protocols = HttpProtocols.None;
        var probe = new AcceptProbe(() => listen.EndPoint);
        _stompProbes.Add(probe);
        listen.Use(probe.Before);
        if (ListenUrl.IsEncrypted(address))
        {
            listen.UseHttps(_certificate!.Configure);
        }

        listen.Run(_broker!.ServeAsync);
    }
}
