using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Millrace.Storage.Http;

/// <summary>Where a server is and how to talk to it, read from a backend's URL. Immutable.</summary>
internal sealed record HttpOptions
{
    private const string KeyOption = "key";

    /// <summary>The root of the instance's API, with a slash at its end.</summary>
    public required Uri Root { get; init; }

    /// <summary>The server for logs and errors: scheme, host and port, without credentials.</summary>
    public required string Server { get; init; }

    /// <summary>User and password, or a bearer key; null for neither.</summary>
    public AuthenticationHeaderValue? Authorization { get; init; }

    /// <summary>The longest time until an answer, beyond the time that the server was asked to wait.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>The longest time until a connection stands.</summary>
    public TimeSpan ConnectTimeout { get; init; }

    /// <summary>How long a request is tried again that has not reached the server.</summary>
    public TimeSpan RetryTime { get; init; }

    /// <summary>Certificates of authorities to trust instead of the system's; null for the system's.</summary>
    public X509Certificate2Collection? Authorities { get; init; }

    /// <exception cref="MillraceConfigurationException">A part of the URL cannot work.</exception>
    public static HttpOptions Parse(BackendUrl url)
    {
        if (url.Hosts is not [var host])
        {
            throw new MillraceConfigurationException($"The URL '{url}' must name one host, such as http://localhost:7070.");
        }

        var options = url.ReadOptions();
        var key = options.Text(KeyOption);
        var timeout = options.Milliseconds("timeoutMs", TimeSpan.FromSeconds(30), TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1));
        var connectTimeout = options.Milliseconds("connectTimeoutMs", TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10));
        var retryTime = options.Milliseconds("retryMs", TimeSpan.FromSeconds(10), TimeSpan.Zero, TimeSpan.FromDays(1));
        var authorityFile = options.Text("caFile");
        options.RejectUnknown();
        if (key is not null && url.UserName is not null)
        {
            throw new MillraceConfigurationException($"The URL '{url}' has a user and the option '{KeyOption}': a server takes one of them.");
        }

        if (authorityFile is not null && url.Scheme != "https")
        {
            throw new MillraceConfigurationException($"The URL '{url}' has the option 'caFile', which means something to https: only.");
        }

        var instance = url.Path.Trim('/');
        var server = $"{url.Scheme}://{host}";
        return new HttpOptions
        {
            Root = new Uri(instance.Length == 0 ? $"{server}/api/v1/" : $"{server}/api/v1/instances/{Uri.EscapeDataString(instance)}/"),
            Server = server,
            Authorization = key is not null ? new AuthenticationHeaderValue("Bearer", key)
                : url.UserName is not null ? new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{url.UserName}:{url.Password}")))
                : null,
            Timeout = timeout,
            ConnectTimeout = connectTimeout,
            RetryTime = retryTime,
            Authorities = authorityFile is null ? null : ReadAuthorities(authorityFile),
        };
    }

    private static X509Certificate2Collection ReadAuthorities(string file)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(file);
            return authorities.Count > 0 ? authorities : throw new MillraceConfigurationException($"The file '{file}' (option 'caFile') holds no certificate in PEM form.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            throw new MillraceConfigurationException($"The file '{file}' (option 'caFile') cannot be read: {exception.Message}", exception);
        }
    }
}
