namespace Millrace.Server.Security;

/// <summary>What somebody may do with a resource.</summary>
internal enum Permission
{
    /// <summary>Put something in: enqueue, publish, append; run a schedule; for locks and state, change them.</summary>
    Send,

    /// <summary>Take something out or look at it: lease, settle, browse, subscribe, read a stream and commit for its groups, see a schedule; for locks and state, read them.</summary>
    Receive,

    /// <summary>Administer: create, delete, settings, bindings, purge, redrive, trim, seek, define and pause schedules, work on single messages.</summary>
    Manage,
}
