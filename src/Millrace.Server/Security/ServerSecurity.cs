using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Millrace.Server.Hosting;
using Millrace.Server.Security.Requests;
using Millrace.Server.Security.Tls;
using Millrace.Server.Security.Users;

namespace Millrace.Server.Security;

/// <summary>Everything about who may use a server, in the order in which a request meets it. Made before the server starts, disposed after it has stopped.</summary>
internal sealed class ServerSecurity : IDisposable
{
    private readonly SecurityOptions _options;
    private readonly ILogger _logger;
    private readonly LiveUsers? _users;
    private readonly Authenticator? _authenticator;

    private ServerSecurity(SecurityOptions options, TimeProvider timeProvider, ILoggerFactory loggerFactory)
    {
        _options = options;
        _logger = loggerFactory.CreateLogger("Millrace.Server.Security");
        Audit = AuditLog.Open(options.AuditFile, timeProvider, loggerFactory);
        try
        {
            if (options.UsersFile is { } file)
            {
                _users = LiveUsers.Open(file, timeProvider, _logger);
                _authenticator = new Authenticator(_users, timeProvider);
            }

            Standing = new StandingPermissions(_users, timeProvider);
            Certificate = options.Certificate is { } certificate ? ServerCertificate.Open(certificate, timeProvider, _logger) : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What administrative actions are recorded in.</summary>
    public AuditLog Audit { get; }

    /// <summary>Permissions that outlast the request that proved them.</summary>
    public StandingPermissions Standing { get; }

    /// <summary>The certificate of <c>https://</c> and <c>stomps://</c> addresses; null if none is set.</summary>
    public ServerCertificate? Certificate { get; }

    /// <summary>Proves names and passwords, and keys, that come by other ways than HTTP; null on a server without users, where everybody is <see cref="Caller.Anonymous"/>.</summary>
    public Authenticator? Authenticator => _authenticator;

    /// <summary>Reads and checks what the options name.</summary>
    /// <exception cref="MillraceConfigurationException">An option, or a file that it names, cannot work.</exception>
    public static ServerSecurity Open(SecurityOptions options, TimeProvider timeProvider, ILoggerFactory loggerFactory)
    {
        options.Validate();
        return new ServerSecurity(options, timeProvider, loggerFactory);
    }

    /// <summary>Refuses addresses at which strangers could do everything; warns of those at which they could listen.</summary>
    /// <exception cref="MillraceConfigurationException">Names the address, and what to do.</exception>
    public void RequireSafe(IEnumerable<string> urls)
    {
        var addresses = urls.ToList();
        LoopbackRule.Require(addresses, _users is not null);
        foreach (var address in LoopbackRule.PlainTextOf(addresses))
        {
            _logger.PlainText(address);
        }

        if (addresses.Select(url => FindCertificateFault(url, _options)).FirstOrDefault(fault => fault is not null) is { } missing)
        {
            throw new MillraceConfigurationException(missing);
        }
    }

    /// <summary>Why a server with these options must not listen on an address; null when it may.</summary>
    public static string? FindFault(string url, SecurityOptions options) => LoopbackRule.FindFault(url, options.UsersFile is not null) ?? FindCertificateFault(url, options);

    /// <summary>Puts the checks before what follows in the pipeline.</summary>
    /// <param name="application">The pipeline.</param>
    /// <param name="isOpen">Which requests need no credentials: those of load balancers and supervisors.</param>
    public void Use(IApplicationBuilder application, Func<HttpContext, bool> isOpen)
    {
        application.Use(next => new SecurityHeaders(next).InvokeAsync);
        if (_authenticator is null)
        {
            application.Use(next => new HostGuard(next, _options, Audit).InvokeAsync);
        }

        application.Use(next => new CrossOriginGuard(next, _options, Audit).InvokeAsync);
        if (_authenticator is not null)
        {
            application.Use(next => new AuthenticationGate(next, _authenticator, isOpen, Audit).InvokeAsync);
        }
    }

    public void Dispose()
    {
        _users?.Dispose();
        _authenticator?.Dispose();
        Certificate?.Dispose();
    }

    private static string? FindCertificateFault(string url, SecurityOptions options)
    {
        var address = ListenUrl.Parse(url);
        return options.Certificate is null && ListenUrl.IsEncrypted(address)
            ? $"The server was told to listen on {url}, and has no certificate: set one, or listen on {(ListenUrl.IsStomp(address) ? ListenUrl.Stomp : ListenUrl.Http)}://."
            : null;
    }
}
