namespace Millrace.Server.Security;

/// <summary>How an administrative action ended.</summary>
internal enum AuditOutcome
{
    /// <summary>It was done.</summary>
    Done,

    /// <summary>The caller may not do it.</summary>
    Denied,

    /// <summary>It was allowed, and failed.</summary>
    Failed,
}
