using Millrace.Server.Security.Requests;

namespace Millrace.Server.Security;

/// <summary>Who may use a server, and from where. Immutable; validated when the server starts.</summary>
public sealed record SecurityOptions
{
    /// <summary>
    /// The file of users and roles, which <c>millrace user</c> writes. Read again when it changes. Null, as unless set: everybody may do everything, on a server that
    /// listens on loopback only.
    /// </summary>
    public string? UsersFile { get; init; }

    /// <summary>
    /// The origins whose pages may call the server from a browser, such as <c>https://tools.example.org</c>; none unless set. <c>*</c> is all origins, for requests with
    /// bearer keys.
    /// </summary>
    public IReadOnlyList<string> CorsOrigins { get; init; } = [];

    /// <summary>Whether browsers may send the credentials that they keep along with requests of <see cref="CorsOrigins"/>. Not with <c>*</c>.</summary>
    public bool CorsAllowCredentials { get; init; }

    /// <summary>
    /// Further names that a server without users may be called by, in the <c>Host</c> header: <c>localhost</c> and loopback addresses always may. Without ports.
    /// </summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>A file to which each audited event is appended as a line of JSON, beside the log. None unless set.</summary>
    public string? AuditFile { get; init; }

    /// <summary>The certificate of <c>https://</c> and <c>stomps://</c> addresses. None unless set.</summary>
    public CertificateOptions? Certificate { get; init; }

    /// <summary>Throws if a value cannot work.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    internal void Validate()
    {
        foreach (var origin in CorsOrigins)
        {
            if (origin != "*" && !Origin.IsExact(origin))
            {
                throw new MillraceConfigurationException(
                    $"{nameof(CorsOrigins)} takes origins as browsers send them, such as https://tools.example.org or http://localhost:5173, or *, not '{origin}'.");
            }
        }

        if (CorsOrigins.Contains("*"))
        {
            Require(!CorsAllowCredentials, $"{nameof(CorsOrigins)} * cannot go with {nameof(CorsAllowCredentials)}: every page could act as whoever looks at it. Name the origins.");
            Require(UsersFile is not null, $"{nameof(CorsOrigins)} * needs users: every page could do everything with this server. Name the origins, or set {nameof(UsersFile)}.");
        }

        foreach (var host in AllowedHosts)
        {
            Require(
                Uri.CheckHostName(host.Trim('[', ']')) != UriHostNameType.Unknown,
                $"{nameof(AllowedHosts)} takes names or addresses of hosts without ports, such as millrace.local, not '{host}'.");
        }

        Certificate?.Validate();
    }

    /// <summary>What is wrong; null when nothing is.</summary>
    internal string? FindFault()
    {
        try
        {
            Validate();
            return null;
        }
        catch (MillraceConfigurationException exception)
        {
            return exception.Message;
        }
    }

    private static void Require(bool holds, string fault)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException(fault);
        }
    }
}
