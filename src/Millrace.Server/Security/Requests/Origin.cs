namespace Millrace.Server.Security.Requests;

/// <summary>Origins as browsers write them: scheme, host, and the port unless it is the scheme's own.</summary>
internal static class Origin
{
    /// <summary>Whether a text is an origin, spelt as browsers spell it.</summary>
    public static bool IsExact(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri)
        && uri.Scheme is "http" or "https"
        && uri.IdnHost.Length > 0
        && string.Equals(uri.GetLeftPart(UriPartial.Authority), text, StringComparison.Ordinal)
        && uri.UserInfo.Length == 0;

    /// <summary>Whether an origin is that of the server itself, as the request addressed it.</summary>
    public static bool IsSame(string origin, string scheme, string host)
    {
        if (!Uri.TryCreate(origin, UriKind.Absolute, out var theirs) || !Uri.TryCreate($"{scheme}://{host}", UriKind.Absolute, out var own))
        {
            return false;
        }

        return theirs.Scheme == own.Scheme
            && theirs.Port == own.Port
            && theirs.Host.Equals(own.Host, StringComparison.OrdinalIgnoreCase)
            && theirs.UserInfo.Length == 0
            && own.UserInfo.Length == 0
            && theirs.PathAndQuery == "/";
    }
}
